using System.Security.Authentication;
using Malha.Proxy.Downstream;
using Malha.Proxy.Tls;

namespace Malha.Proxy.Telemetry.Metrics;

/// <summary>The metrics of TLS in front.</summary>
internal static class TlsMetricsReader
{
    public static IEnumerable<MetricFamily> Read(IReadOnlyCollection<ClientListener> all)
    {
        // What a listener has counted stays when its TLS is turned off: nothing is counted any more then.
        var listeners = all.Where(listener => listener.Tls is not null).ToArray();
        yield return new("malha.tls.handshakes", MetricKind.Counter, "{handshake}", "TLS handshakes with clients that were completed, by version.",
            [.. listeners.SelectMany(listener => new[] { Of(listener, "1.2", SslProtocols.Tls12), Of(listener, "1.3", SslProtocols.Tls13) })]);
        yield return new("malha.tls.handshake.failures", MetricKind.Counter, "{handshake}", "TLS handshakes with clients that failed, by reason.",
            [.. listeners.SelectMany(listener => Enum.GetValues<HandshakeFailure>().Select(failure => Of(listener, failure)))]);
        yield return new("malha.tls.handshakes.active", MetricKind.Gauge, "{handshake}", "TLS handshakes with clients that are under way.",
            [.. listeners.Select(listener => new MetricPoint([Name(listener)], listener.Handshakes.Active))]);
        yield return new("malha.tls.certificate.not_after", MetricKind.Gauge, "s", "When the certificate expires, since the epoch.",
            [.. listeners.SelectMany(listener => (listener.Tls?.Certificates ?? []).DistinctBy(one => one.Sha256).Select(one => (Listener: listener, Certificate: one)))
                .Select(one => new MetricPoint([Name(one.Listener), new("certificate", one.Certificate.Name), new("sha256", one.Certificate.Sha256)], one.Certificate.NotAfter.ToUnixTimeSeconds()))]);
    }

    private static MetricLabel Name(ClientListener listener) => new("listener", listener.Config.Name);

    private static MetricPoint Of(ClientListener listener, string version, SslProtocols protocol) =>
        new([Name(listener), new("tls.protocol.version", version)], listener.Handshakes.Completed(protocol));

    private static MetricPoint Of(ClientListener listener, HandshakeFailure failure) =>
        new([Name(listener), new("reason", HandshakeFailures.NameOf(failure))], listener.Handshakes.Failed(failure));
}
