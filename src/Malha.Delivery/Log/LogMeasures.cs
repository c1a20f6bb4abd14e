using System.Diagnostics.Metrics;

namespace Malha.Delivery.Log;

/// <summary>What the log tells of itself: how large groups are, what a caller waits for, how long the disk takes. Names follow OpenTelemetry.</summary>
internal sealed class LogMeasures : IDisposable
{
    public const string MeterName = "Malha.Delivery";

    private readonly Meter _meter = new(MeterName);
    private readonly Histogram<int> _group;
    private readonly Histogram<int> _syncGroup;
    private readonly Histogram<double> _delay;
    private readonly Histogram<double> _sync;
    private readonly Counter<long> _reopened;
    private long _groups;
    private long _writes;
    private long _syncs;
    private long _reopenings;

    public LogMeasures(WriteQueue queue)
    {
        _group = _meter.CreateHistogram<int>("malha.delivery.log.group.size", "{write}", "Writes of one commit.");
        _syncGroup = _meter.CreateHistogram<int>("malha.delivery.log.sync.size", "{write}", "Writes released by one sync.");
        _delay = _meter.CreateHistogram<double>("malha.delivery.log.delay", "s", "From queue to acknowledgement.");
        _sync = _meter.CreateHistogram<double>("malha.delivery.log.sync.duration", "s", "One sync of the write-ahead log.");
        _reopened = _meter.CreateCounter<long>("malha.delivery.log.reopened", "{time}", "Times that the log was closed and opened again after an error.");
        _meter.CreateObservableGauge("malha.delivery.log.held", () => queue.Held, "{write}", "Writes queued or not yet as durable as they are to be.");
    }

    public long Groups => Interlocked.Read(ref _groups);

    public long Writes => Interlocked.Read(ref _writes);

    public long Syncs => Interlocked.Read(ref _syncs);

    public long Reopenings => Interlocked.Read(ref _reopenings);

    public void Grouped(int writes)
    {
        Interlocked.Increment(ref _groups);
        Interlocked.Add(ref _writes, writes);
        _group.Record(writes);
    }

    public void Synced(int writes, TimeSpan took)
    {
        Interlocked.Increment(ref _syncs);
        _syncGroup.Record(writes);
        _sync.Record(took.TotalSeconds);
    }

    public void Delayed(TimeSpan delay) => _delay.Record(delay.TotalSeconds);

    public void Reopened()
    {
        Interlocked.Increment(ref _reopenings);
        _reopened.Add(1);
    }

    public void Dispose() => _meter.Dispose();
}
