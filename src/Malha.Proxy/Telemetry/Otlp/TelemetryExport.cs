namespace Malha.Proxy.Telemetry.Otlp;

/// <summary>Exports what the configuration in force says, and nothing without <c>telemetry</c> in it.</summary>
internal sealed class TelemetryExport(GatewayHost host, GatewayRuntime runtime) : IDisposable
{
    /// <summary>The exporter's own patience, and a little for what cannot be broken off at once.</summary>
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(4);

    private OtlpExporter? _exporter;

    public TelemetryCounts Counts { get; } = new();

    /// <summary>Exchanges that wait to be sent.</summary>
    public int Waiting => Volatile.Read(ref _exporter)?.Tracer.Ring.Count ?? 0;

    /// <summary>Exchanges whose spans found no room.</summary>
    public long Overflow => Counts.RingDrops + (Volatile.Read(ref _exporter)?.Tracer.Ring.Dropped ?? 0);

    /// <summary>A configuration has come into force. One caller at a time.</summary>
    public void Follow(GatewayModel model)
    {
        var (before, config) = (_exporter, model.Config.Telemetry);
        if (Equals(before?.Config, config))
            return;
        var exporter = config is null ? null : new OtlpExporter(config, host, runtime, Counts);
        exporter?.Start();
        runtime.Telemetry.Tracer = exporter?.Tracer;
        Volatile.Write(ref _exporter, exporter);
        // Exchanges that end just now may still come to the old one's ring; its last turn takes most of them.
        if (before is not null)
            _ = StopAsync(before);
    }

    public void Dispose()
    {
        runtime.Telemetry.Tracer = null;
        if (_exporter is { } exporter)
            StopAsync(exporter).Wait(Patience);
    }

    private async Task StopAsync(OtlpExporter exporter)
    {
        await exporter.DisposeAsync();
        Counts.Keep(exporter.Tracer.Ring);
    }
}
