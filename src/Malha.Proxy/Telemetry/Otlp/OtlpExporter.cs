using Malha.Configuration;

namespace Malha.Proxy.Telemetry.Otlp;

/// <summary>
/// Sends spans and metrics to one collector, each signal in a loop of its own on the thread pool. Whatever the collector does, requests do not notice: what
/// they have to say lies in a bounded ring, and what does not fit is dropped.
/// </summary>
internal sealed class OtlpExporter : IAsyncDisposable
{
    /// <summary>Exchanges that wait; twice OpenTelemetry's OTEL_BSP_MAX_QUEUE_SIZE of spans, since most have two.</summary>
    public const int Capacity = 4096;

    /// <summary>Exchanges in one message, as OpenTelemetry's OTEL_BSP_MAX_EXPORT_BATCH_SIZE has it for spans.</summary>
    private const int Batch = 512;

    /// <summary>Of spans, when few come: a trace is looked for soon after the request.</summary>
    private static readonly TimeSpan Turn = TimeSpan.FromSeconds(1);

    /// <summary>What the end of the program, or of a configuration, waits for what is still to be sent.</summary>
    private static readonly TimeSpan FlushPatience = TimeSpan.FromSeconds(3);

    private readonly GatewayHost _host;
    private readonly TimeProvider _time;
    private readonly OtlpSignal _traces;
    private readonly OtlpSignal _metrics;
    private readonly OtlpSpanWriter _spans;
    private readonly SpanReader _write;
    private readonly CancellationTokenSource _stopping = new();
    private readonly CancellationTokenSource _ending = new();
    private Task _running = Task.CompletedTask;

    public OtlpExporter(TelemetryConfig config, GatewayHost host, GatewayRuntime runtime, TelemetryCounts counts)
    {
        Config = config;
        _host = host;
        _time = host.Plane.Time;
        _traces = new OtlpSignal(config, "traces", counts.Spans, runtime, _time);
        _metrics = new OtlpSignal(config, "metrics", counts.Points, runtime, _time);
        _spans = new OtlpSpanWriter(_traces.Message);
        _write = _spans.Write;
        Tracer = new Tracer(config.Sample, new SpanRing(Capacity));
    }

    public TelemetryConfig Config { get; }

    /// <summary>What the request path gives its exchanges to.</summary>
    public Tracer Tracer { get; }

    public void Start() => _running = Task.WhenAll(Task.Run(() => GuardAsync(TraceAsync)), Task.Run(() => GuardAsync(MeasureAsync)));

    /// <summary>Sends what is there, and no longer than a few seconds.</summary>
    public async ValueTask DisposeAsync()
    {
        await _stopping.CancelAsync();
        _ending.CancelAfter(FlushPatience);
        await _running.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        _traces.Dispose();
        _metrics.Dispose();
        _stopping.Dispose();
        _ending.Dispose();
    }

    // A bug costs what was to be sent, and is told; the loop goes on at its next turn.
    private async Task GuardAsync(Func<Task> loop)
    {
        var isDone = false;
        while (!isDone)
        {
            try
            {
                await loop();
                isDone = true;
            }
            catch (Exception exception)
            {
                _host.Plane.Failed(exception);
                await Task.Delay(Turn, _time, _stopping.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
                isDone = _stopping.IsCancellationRequested;
            }
        }
    }

    private async Task TraceAsync()
    {
        var ring = Tracer.Ring;
        while (!_ending.IsCancellationRequested)
        {
            var isLast = _stopping.IsCancellationRequested;
            while (ring.Count > 0 && !_ending.IsCancellationRequested && WriteBatch(ring))
                await _traces.SendAsync(_spans.Spans, mayRetry: true, _stopping.Token, _ending.Token);
            if (isLast)
                return;
            await WaitAsync(ring);
        }
    }

    private bool WriteBatch(SpanRing ring)
    {
        _traces.BeginMessage();
        _spans.Begin(Config);
        for (var count = 0; count < Batch && ring.TryRead(_write); count++)
        {
        }
        _spans.End();
        return _spans.Spans > 0;
    }

    // Until the ring fills, the turn is over, or it stops.
    private async Task WaitAsync(SpanRing ring)
    {
        using var turn = CancellationTokenSource.CreateLinkedTokenSource(_stopping.Token);
        await Task.WhenAny(ring.Fills(), Task.Delay(Turn, _time, turn.Token));
        await turn.CancelAsync();
    }

    private async Task MeasureAsync()
    {
        var start = _time.GetUtcNow();
        while (!_stopping.IsCancellationRequested)
        {
            await Task.Delay(Config.Interval, _time, _stopping.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            _metrics.BeginMessage();
            var points = OtlpMetricWriter.Write(_metrics.Message, Config, _host.ReadMetrics(), start, _time.GetUtcNow());
            // What is not taken now is in the next message, which counts from the same start.
            await _metrics.SendAsync(points, mayRetry: false, _stopping.Token, _ending.Token);
        }
    }
}

/// <summary>What has become of all that was to be sent since the start.</summary>
internal sealed class TelemetryCounts
{
    private long _ringDrops;

    public SignalCounts Spans { get; } = new();

    public SignalCounts Points { get; } = new();

    /// <summary>Exchanges that found no room in rings of earlier configurations.</summary>
    public long RingDrops => Interlocked.Read(ref _ringDrops);

    /// <summary>A ring is read no more: what is left in it is lost too.</summary>
    public void Keep(SpanRing ring) => Interlocked.Add(ref _ringDrops, ring.Dropped + ring.Count);
}
