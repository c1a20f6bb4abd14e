using System.Text;
using Malha.Configuration;
using Malha.Proxy.Tls;
using Malha.Proxy.Upstream;

namespace Malha.Proxy.Mirroring;

/// <summary>The connections that copies go over: .NET's own client, apart from those of real requests, so that a copy never takes one from them.</summary>
internal static class MirrorClient
{
    public static HttpMessageInvoker Make(EndpointState endpoint, UpstreamTls? tls, ServiceConfig service, int most) => new(new SocketsHttpHandler
    {
        UseProxy = false,
        AllowAutoRedirect = false,
        UseCookies = false,
        ActivityHeadersPropagator = null,
        MaxConnectionsPerServer = most,
        MaxResponseHeadersLength = UpstreamConnection.Limits.MaxSize / 1024,
        PooledConnectionIdleTimeout = Defaults.PooledConnectionIdle.Value,
        ConnectTimeout = service.ConnectTimeout,
        RequestHeaderEncodingSelector = static (_, _) => Encoding.Latin1,
        ResponseHeaderEncodingSelector = static (_, _) => Encoding.Latin1,
        ConnectCallback = async (_, cancellation) =>
        {
            var stream = await endpoint.DialAsync(static () => { }, cancellation);
            return tls is null ? stream : await tls.HandshakeAsync(stream, cancellation, isHttp2: service.Protocol == ServiceProtocol.Http2);
        },
    });
}
