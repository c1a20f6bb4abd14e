using System.Net.Security;
using System.Security.Authentication;
using System.Security.Cryptography.X509Certificates;
using Malha.Configuration;
using Malha.Proxy.Transport;
using Malha.Proxy.Upstream;

namespace Malha.Proxy.Tls;

/// <summary>TLS towards an endpoint: verified unless the file says otherwise, against the system's authorities or the service's own.</summary>
/// <remarks>Sessions are resumed where the endpoint has a name: OpenSSL's clients keep tickets by name, and SslStream none for an address.</remarks>
internal sealed class UpstreamTls
{
    private readonly SslClientAuthenticationOptions _options;
    private readonly bool _verifies;
    private readonly string _authorities;

    private readonly SslClientAuthenticationOptions _http2Options;

    public UpstreamTls(EndpointConfig endpoint, ServiceTlsConfig? config)
    {
        _options = Options(endpoint, config, SslApplicationProtocol.Http11);
        _http2Options = new SslClientAuthenticationOptions
        {
            TargetHost = _options.TargetHost,
            ApplicationProtocols = [SslApplicationProtocol.Http2],
            EnabledSslProtocols = _options.EnabledSslProtocols,
            RemoteCertificateValidationCallback = _options.RemoteCertificateValidationCallback,
            CertificateChainPolicy = _options.CertificateChainPolicy,
            ClientCertificateContext = _options.ClientCertificateContext,
        };
        _verifies = config is not { Verify: false };
        _authorities = config?.Ca is null ? "an authority that this system trusts" : "an authority of the service's tls.ca";
    }

    /// <summary>What the last failed handshake failed of, for answers, the log and the admin API.</summary>
    public string? LastFailure { get; private set; }

    /// <summary>Null when the handshake failed.</summary>
    public async ValueTask<ByteChannel?> HandshakeAsync(ByteChannel channel, ConnectAttempt attempt)
    {
        var transport = new TlsTransport(channel);
        string? problem = null;
        var stream = _verifies ? new SslStream(transport, leaveInnerStreamOpen: true, Validate) : new SslStream(transport, leaveInnerStreamOpen: true);
        try
        {
            await Task.CompletedTask.ConfigureAwait(ConfigureAwaitOptions.ForceYielding);
            await stream.AuthenticateAsClientAsync(_options);
            transport.HopsOff = false;
            if (!transport.IsBroken)
                return new TlsChannel(stream, transport, channel, TlsSession.Of(stream, _options.TargetHost, _verifies));
            problem = "the connection broke within the handshake";
        }
        catch (Exception exception) when (exception is AuthenticationException or IOException or ObjectDisposedException or InvalidOperationException)
        {
            problem ??= transport.HasEnded ? "the endpoint ended the connection within the handshake" : exception.GetBaseException().Message;
        }
        LastFailure = attempt.TimedOut ? "the handshake took too long" : problem;
        await stream.DisposeAsync();
        transport.Release();
        return null;

        bool Validate(object sender, X509Certificate? certificate, X509Chain? chain, SslPolicyErrors errors)
        {
            if (errors == SslPolicyErrors.None)
                return true;
            problem = Distrusted(certificate, chain, errors);
            return false;
        }
    }

    /// <summary>The same over a stream, for a client library. Throws when the handshake fails.</summary>
    public async ValueTask<Stream> HandshakeAsync(Stream transport, CancellationToken cancellation, bool isHttp2 = true)
    {
        string? problem = null;
        var stream = _verifies ? new SslStream(transport, leaveInnerStreamOpen: false, Validate) : new SslStream(transport);
        try
        {
            await stream.AuthenticateAsClientAsync(isHttp2 ? _http2Options : _options, cancellation);
            if (isHttp2 && stream.NegotiatedApplicationProtocol != SslApplicationProtocol.Http2)
                throw new AuthenticationException("the endpoint does not speak HTTP/2 (ALPN h2)");
            return stream;
        }
        catch (Exception exception) when (exception is AuthenticationException or IOException or ObjectDisposedException or InvalidOperationException)
        {
            LastFailure = problem ?? exception.GetBaseException().Message;
            await stream.DisposeAsync();
            throw;
        }

        bool Validate(object sender, X509Certificate? certificate, X509Chain? chain, SslPolicyErrors errors)
        {
            if (errors == SslPolicyErrors.None)
                return true;
            problem = Distrusted(certificate, chain, errors);
            return false;
        }
    }

    private string Distrusted(X509Certificate? certificate, X509Chain? chain, SslPolicyErrors errors) =>
        "the endpoint is not trusted: " + CertificateProblem.Describe(certificate, chain, errors, _options.TargetHost, _authorities);

    /// <summary>How a client speaks TLS to the endpoint. Reads the files of the configuration.</summary>
    public static SslClientAuthenticationOptions Options(EndpointConfig endpoint, ServiceTlsConfig? config, params SslApplicationProtocol[] protocols)
    {
        var options = new SslClientAuthenticationOptions
        {
            TargetHost = config?.ServerName ?? endpoint.ServerName,
            ApplicationProtocols = protocols.Length == 0 ? null : [.. protocols],
            EnabledSslProtocols = SslProtocols.Tls12 | SslProtocols.Tls13,
        };
        if (config is null)
            return options;
        if (!config.Verify)
            options.RemoteCertificateValidationCallback = static (_, _, _, _) => true;
        else if (config.Ca is not null)
            options.CertificateChainPolicy = TrustOnly(config.Ca);
        if (config is { Certificate: not null, Key: not null })
            options.ClientCertificateContext = OwnCertificate(config.Certificate, config.Key);
        return options;
    }

    private static X509ChainPolicy TrustOnly(ConfigFile ca)
    {
        var policy = new X509ChainPolicy { TrustMode = X509ChainTrustMode.CustomRootTrust, RevocationMode = X509RevocationMode.NoCheck };
        policy.CustomTrustStore.ImportFromPem(File.ReadAllText(ca.Path));
        return policy;
    }

    private static SslStreamCertificateContext OwnCertificate(ConfigFile certificate, ConfigFile key)
    {
        var chain = new X509Certificate2Collection();
        chain.ImportFromPemFile(certificate.Path);
        return SslStreamCertificateContext.Create(X509Certificate2.CreateFromPemFile(certificate.Path, key.Path), chain, offline: true);
    }
}
