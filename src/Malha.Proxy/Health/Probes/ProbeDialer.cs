using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using Malha.Configuration;
using Malha.Proxy.Transport;

namespace Malha.Proxy.Health.Probes;

/// <summary>Opens a probe's connection, with TLS where the endpoint has it. What follows runs on the thread pool.</summary>
internal sealed class ProbeDialer(EndpointConfig endpoint, SslClientAuthenticationOptions? tls)
{
    /// <summary>Also when it failed the caller goes on on the thread pool.</summary>
    public async ValueTask<Stream> DialAsync(CancellationToken cancellation)
    {
        var host = endpoint.Url.Host.Trim('[', ']');
        EndPoint address = IPAddress.TryParse(host, out var ip) ? new IPEndPoint(ip, endpoint.Url.Port) : new DnsEndPoint(host, endpoint.Url.Port);
        var stream = await OffEngineStream.ConnectAsync(address, cancellation);
        if (tls is null)
            return stream;
        var secure = new SslStream(stream);
        try
        {
            await secure.AuthenticateAsClientAsync(tls, cancellation);
            return secure;
        }
        catch
        {
            await secure.DisposeAsync();
            throw;
        }
    }

    /// <summary>A handler for one check: no proxy, no redirects, no cookies, nothing kept.</summary>
    public SocketsHttpHandler Handler() => new()
    {
        UseProxy = false,
        AllowAutoRedirect = false,
        UseCookies = false,
        ActivityHeadersPropagator = null,
        MaxConnectionsPerServer = 1,
        MaxResponseHeadersLength = 64,
        ConnectCallback = (_, cancellation) => DialAsync(cancellation),
    };

    /// <summary>Why there is no connection, in an operator's words.</summary>
    public static string Describe(Exception exception)
    {
        for (var cause = exception; cause is not null; cause = cause.InnerException)
        {
            switch (cause)
            {
                case SocketException { SocketErrorCode: SocketError.ConnectionRefused }:
                    return "the connection was refused";
                case SocketException { SocketErrorCode: SocketError.HostNotFound or SocketError.NoData or SocketError.TryAgain }:
                    return "the host has no address";
                case SocketException { SocketErrorCode: SocketError.ConnectionReset }:
                    return "the connection was reset";
                case System.Security.Authentication.AuthenticationException:
                    return "the TLS handshake failed: " + (cause.InnerException?.Message ?? cause.Message);
            }
        }

        return exception.GetBaseException().Message;
    }
}
