namespace Malha.Proxy.Tls;

/// <summary>Why a client's handshake came to nothing.</summary>
internal enum HandshakeFailure : byte
{
    /// <summary>The client left before it ended; often somebody who only looks whether anybody listens.</summary>
    Closed,

    /// <summary>It took too long.</summary>
    Timeout,

    /// <summary>What came is no TLS: HTTP in clear, as a rule.</summary>
    NotTls,

    /// <summary>The client offers no version that is spoken here.</summary>
    Version,

    /// <summary>The two have no cipher suite, group or signature in common.</summary>
    Parameters,

    /// <summary>The client does not take the listener's certificate.</summary>
    RefusedByClient,

    /// <summary>The client shows no certificate, and must.</summary>
    NoClientCertificate,

    /// <summary>The client's certificate is not one that is trusted.</summary>
    ClientCertificate,

    /// <summary>Anything else.</summary>
    Protocol,
}

/// <summary>What handshakes fail of, in words.</summary>
internal static class HandshakeFailures
{
    public static readonly int Count = Enum.GetValues<HandshakeFailure>().Length;

    /// <summary>The name in metrics and logs: stable.</summary>
    public static string NameOf(HandshakeFailure failure) => failure switch
    {
        HandshakeFailure.Closed => "closed",
        HandshakeFailure.Timeout => "timeout",
        HandshakeFailure.NotTls => "not-tls",
        HandshakeFailure.Version => "version",
        HandshakeFailure.Parameters => "parameters",
        HandshakeFailure.RefusedByClient => "refused-by-client",
        HandshakeFailure.NoClientCertificate => "no-client-certificate",
        HandshakeFailure.ClientCertificate => "client-certificate",
        _ => "protocol",
    };

    /// <summary>From OpenSSL's words; the codes behind them do not come through.</summary>
    public static HandshakeFailure Of(string problem) => problem switch
    {
        _ when Has(problem, "unsupported protocol") || Has(problem, "no protocols available") || Has(problem, "version too low") || Has(problem, "wrong version") => HandshakeFailure.Version,
        _ when Has(problem, "no shared cipher") || Has(problem, "no suitable") || Has(problem, "no shared") => HandshakeFailure.Parameters,
        _ when Has(problem, "alert") => HandshakeFailure.RefusedByClient,
        _ when Has(problem, "http request") => HandshakeFailure.NotTls,
        _ => HandshakeFailure.Protocol,
    };

    private static bool Has(string text, string part) => text.Contains(part, StringComparison.OrdinalIgnoreCase);
}
