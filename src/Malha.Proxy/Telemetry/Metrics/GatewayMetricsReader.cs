using System.Globalization;
using System.Reflection;

namespace Malha.Proxy.Telemetry.Metrics;

/// <summary>All metrics of a running gateway. Each reading is a walk over the counters: it stops nobody and may allocate.</summary>
internal static class GatewayMetricsReader
{
    private static readonly string Version = typeof(GatewayMetricsReader).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()?.InformationalVersion.Split('+')[0] ?? "";

    public static IEnumerable<MetricFamily> Read(GatewayHost host)
    {
        var model = host.Plane.Model;
        return ServerMetricsReader.Read(host.Telemetry.Requests, model.RouteMetrics)
            .Concat(ClientMetricsReader.Read(model.Services.Values))
            .Concat(HealthMetricsReader.Read(model.Services.Values))
            .Concat(CallerMetricsReader.Read(model.Identity))
            .Concat(PolicyMetricsReader.Read([.. model.Services.Values], host.Plane.Clock.Now))
            .Concat(Gateway(host, model))
            .Concat(TlsMetricsReader.Read(host.Listeners))
            .Concat(ProtectionMetricsReader.Read(host.Plane.Protection))
            .Concat(SharingMetricsReader.Read(host.SharedLimits))
            .Concat(TelemetryMetricsReader.Read(host.Export))
            .Concat(ProcessMetricsReader.Read());
    }

    private static IEnumerable<MetricFamily> Gateway(GatewayHost host, GatewayModel model)
    {
        var listeners = host.Listeners.Select(listener => (Labels: (MetricLabel[])[new("listener", listener.Config.Name)], Listener: listener)).ToArray();
        yield return new("malha.listener.connections", MetricKind.Gauge, "{connection}", "Connections of clients that are open.",
            [.. listeners.Select(one => new MetricPoint(one.Labels, one.Listener.Connections))]);
        yield return new("malha.listener.accepted", MetricKind.Counter, "{connection}", "Connections of clients accepted.",
            [.. listeners.Select(one => new MetricPoint(one.Labels, one.Listener.Accepted))]);

        var reloads = host.Telemetry.Reloads;
        yield return new("malha.build.info", MetricKind.Gauge, "", "The program; always 1.", [new MetricPoint([new("version", Version)], 1)]);
        yield return new("malha.config.version", MetricKind.Gauge, "", "The configuration in force, counted from 1 since the start.", [new MetricPoint([], model.Version)]);
        yield return new("malha.config.loaded.timestamp", MetricKind.Gauge, "s", "When the configuration in force came into force, since the epoch.",
            [new MetricPoint([], host.LoadedAt.ToUnixTimeMilliseconds() / 1000.0)]);
        yield return new("malha.config.reloads", MetricKind.Counter, "{reload}", "Times that the configuration was read again.",
            [new([new("result", "applied")], reloads.Applied), new([new("result", "refused")], reloads.Refused)]);
        yield return new("malha.config.last_reload.successful", MetricKind.Gauge, "", "1 when the last reload was good, or there was none.",
            [new MetricPoint([], host.LastReload is { IsGood: false } ? 0 : 1)]);
        yield return new("malha.draining", MetricKind.Gauge, "", "1 while the gateway stops.", [new MetricPoint([], host.IsDraining ? 1 : 0)]);

        yield return new("malha.engine.delay", MetricKind.Histogram, "s", "Time that a thread of the socket engine took to come to a new event.",
            [.. host.Telemetry.EngineDelays.Select((delays, index) => new MetricPoint([new("engine", index.ToString(CultureInfo.InvariantCulture))], Durations: delays.Read()))]);

        var names = host.DnsNames.Select(name => (Labels: (MetricLabel[])[new("dns.question.name", name.Question.Name)], Name: name)).ToArray();
        yield return new("malha.dns.questions", MetricKind.Counter, "{question}", "Times that DNS was asked for endpoints.",
            [.. names.SelectMany(one => (MetricPoint[])[new([.. one.Labels, new("result", "answered")], one.Name.Counts.Answered), new([.. one.Labels, new("result", "failed")], one.Name.Counts.Failed)])]);
        yield return new("malha.dns.endpoints", MetricKind.Gauge, "{endpoint}", "Endpoints of the last good answer.", [.. names.Select(one => new MetricPoint(one.Labels, one.Name.Targets?.Length ?? 0))]);
        yield return new("malha.dns.answer.age", MetricKind.Gauge, "s", "How old the last good answer is; absent before the first.",
            [.. names.Where(one => one.Name.Age is not null).Select(one => new MetricPoint(one.Labels, one.Name.Age!.Value.TotalSeconds))]);

        if (host.Telemetry.Output is { } output)
        {
            yield return new("malha.log.lines", MetricKind.Counter, "{line}", "Log lines taken.", [new MetricPoint([], output.Lines)]);
            yield return new("malha.log.lines.dropped", MetricKind.Counter, "{line}", "Log lines that found no room or could not be written.", [new MetricPoint([], output.Dropped)]);
        }
    }
}
