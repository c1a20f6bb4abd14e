using System.Net.Security;
using System.Security.Authentication;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Malha.Proxy.Downstream;
using Malha.Proxy.Timing;
using Malha.Proxy.Transport;

namespace Malha.Proxy.Tls;

/// <summary>One client's handshake, from its first byte to a channel that can be read from, or to a clear word why there is none.</summary>
/// <remarks>It computes on the thread pool: its signatures would hold up the traffic of everybody else on a thread of the socket engine.</remarks>
internal sealed class ServerHandshake(ByteChannel channel, ServerTls tls, HandshakeState state, TimerWheel wheel) : TimerEntry
{
    /// <summary>A client that speaks HTTP in clear gets its answer before the connection ends; how long it may take to read it.</summary>
    private const int FarewellMs = 2_000;

    /// <summary>While so many of the handshakes that there may be are under way, new ones must be quick: who dawdles must not keep out who does not.</summary>
    private const double Crowded = 0.5;
    private const int CrowdedShare = 10;

    private static readonly byte[] ClearAnswer = ProblemWriter.NotTls();

    private string? _serverName;
    private bool _offersTls13;
    private string? _problem;
    private volatile bool _hasTimedOut;
    private HandshakeFailure _failure = HandshakeFailure.Protocol;

    /// <summary>What it has failed of.</summary>
    public HandshakeFailure Failure => _failure;

    /// <summary>The same in words; null when it has not failed.</summary>
    public string? Problem => _problem;

    /// <summary>Null when it has failed. The channel is then still the caller's to dispose of.</summary>
    public async Task<TlsChannel?> RunAsync()
    {
        var active = state.Began(this);
        var timeout = tls.Config.HandshakeTimeout;
        Arm(wheel, wheel.After(active > tls.Config.MaxHandshakes * Crowded ? timeout / CrowdedShare : timeout));
        var transport = new TlsTransport(channel);
        var secured = await HasHelloAsync(transport) ? await AuthenticateAsync(transport) : null;
        Disarm();
        wheel.Remove(this);
        if (secured is not null)
        {
            state.Succeeded(this, secured.Tls.Protocol);
            return secured;
        }
        transport.Release();
        if (_hasTimedOut)
            (_failure, _problem) = (HandshakeFailure.Timeout, "the handshake took too long");
        state.Failed(this, _failure, _problem!);
        return null;
    }

    /// <summary>Ends it; from any thread.</summary>
    public void End() => channel.ShutdownReceive();

    protected internal override void OnDeadline()
    {
        if (!TakeExpiry())
            return;
        _hasTimedOut = true;
        channel.Abort();
    }

    // Whoever only looks whether somebody listens, and whoever is wrong here, costs neither a session nor an exception.
    private async Task<bool> HasHelloAsync(TlsTransport transport)
    {
        do
        {
            if (transport.Received(await channel.ReceiveAsync(transport.Room())))
                continue;
            (_failure, _problem) = transport.HasEnded && !transport.IsBroken
                ? (HandshakeFailure.Closed, "the client ended the connection before it said hello") : (HandshakeFailure.NotTls, "what the client sent is no TLS");
            return false;
        }
        while (transport.BeginsHandshake && !transport.HasRecord);
        if (transport.BeginsHandshake)
        {
            _offersTls13 = ClientHello.OffersTls13(transport.Unread);
            // From here on the thread pool carries it.
            await Task.CompletedTask.ConfigureAwait(ConfigureAwaitOptions.ForceYielding);
            return true;
        }
        (_failure, _problem) = (HandshakeFailure.NotTls, "what the client sent is no TLS");
        if (char.IsAsciiLetterUpper((char)transport.Unread[0]))
            await SayFarewellAsync(transport);
        return false;
    }

    // A browser that was given http:// instead of https:// is better told than cut off.
    private async Task SayFarewellAsync(TlsTransport transport)
    {
        Arm(wheel, Math.Min(Deadline, wheel.NowMs + FarewellMs));
        if (!await channel.SendAsync(ClearAnswer))
            return;
        channel.ShutdownSend();
        for (var left = 64 * 1024; left > 0;)
        {
            transport.Release();
            var received = await channel.ReceiveAsync(transport.Room());
            if (received <= 0)
                break;
            left -= received;
        }
        // That it lingered is not that it was slow.
        _hasTimedOut = false;
    }

    private async Task<TlsChannel?> AuthenticateAsync(TlsTransport transport)
    {
        var stream = new SslStream(transport, leaveInnerStreamOpen: true);
        try
        {
            await stream.AuthenticateAsServerAsync(ChooseAsync, null, CancellationToken.None);
            transport.HopsOff = false;
            if (!transport.IsBroken)
                return new TlsChannel(stream, transport, channel, TlsSession.Of(stream, _serverName, tls.AsksClients));
            (_failure, _problem) = (HandshakeFailure.Closed, "the connection broke within the handshake");
        }
        catch (Exception exception) when (exception is AuthenticationException or IOException or ObjectDisposedException or InvalidOperationException or CryptographicException)
        {
            // A problem that is known already is the client's certificate's.
            if (_problem is null)
                Explain(exception, transport);
        }
        await stream.DisposeAsync();
        return null;
    }

    private ValueTask<SslServerAuthenticationOptions> ChooseAsync(SslStream stream, SslClientHelloInfo hello, object? state, CancellationToken cancellation)
    {
        _serverName = string.IsNullOrEmpty(hello.ServerName) ? null : hello.ServerName;
        return new ValueTask<SslServerAuthenticationOptions>(tls.Choose(hello.ServerName, _offersTls13, Validate));
    }

    private bool Validate(object sender, X509Certificate? certificate, X509Chain? chain, SslPolicyErrors errors)
    {
        if (errors == SslPolicyErrors.None)
            return true;
        _failure = certificate is null ? HandshakeFailure.NoClientCertificate : HandshakeFailure.ClientCertificate;
        _problem = "the client is not trusted: " + CertificateProblem.Describe(certificate, chain, errors, name: null, "an authority of clientCa");
        return false;
    }

    private void Explain(Exception exception, TlsTransport transport)
    {
        if (transport.HasEnded)
        {
            (_failure, _problem) = (HandshakeFailure.Closed, "the client ended the connection within the handshake");
            return;
        }
        _problem = exception.GetBaseException().Message;
        _failure = HandshakeFailures.Of(_problem);
    }
}
