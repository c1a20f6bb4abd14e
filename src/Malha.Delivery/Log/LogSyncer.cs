using RocksDbSharp;

namespace Malha.Delivery.Log;

/// <summary>
/// The second thread: syncs the write-ahead log and releases what waited for it. While it syncs, the writer writes on, and the next sync covers all of that: under load a
/// sync carries many writes, when idle one write waits for one sync, and nothing waits for a timer.
/// </summary>
internal sealed class LogSyncer
{
    // The marker goes to the disk when nothing else wants it for so long, or after so many syncs: a power failure together with damage to the last of them may then
    // pass for a torn end, which is told but opened.
    private static readonly TimeSpan Idle = TimeSpan.FromMilliseconds(20);
    private const int MarkerEvery = 256;

    private readonly AckGate _gate;
    private readonly LogMeasures _measures;
    private readonly TimeProvider _time;
    private readonly object _lock = new();
    private readonly Thread _thread;
    private List<PendingWrite> _waiting = [];
    private List<PendingWrite> _syncing = [];
    private Store? _store;
    private ulong _sequence;
    private int _markerBehind;
    private bool _busy;
    private bool _stopping;

    public LogSyncer(AckGate gate, LogMeasures measures, TimeProvider time)
    {
        (_gate, _measures, _time) = (gate, measures, time);
        _thread = new Thread(Run) { Name = "malha-log-sync", IsBackground = true };
        _thread.Start();
    }

    /// <summary>Everything up to the sequence is written; these wait until it is synced.</summary>
    public void Hand(Store store, ulong sequence, IEnumerable<PendingWrite> writes)
    {
        lock (_lock)
        {
            (_store, _sequence) = (store, sequence);
            _waiting.AddRange(writes);
            Monitor.PulseAll(_lock);
        }
    }

    /// <summary>Waits for the sync that runs, and hands back what no sync covered: the store may be closed then.</summary>
    public List<PendingWrite> Drain()
    {
        lock (_lock)
        {
            while (_busy)
                Monitor.Wait(_lock);
            var rest = _waiting;
            (_waiting, _store) = ([], null);
            return rest;
        }
    }

    /// <summary>Returns when all that was handed over is synced or has failed.</summary>
    public void Stop()
    {
        lock (_lock)
        {
            _stopping = true;
            Monitor.PulseAll(_lock);
        }
        _thread.Join();
    }

    private void Run()
    {
        while (Next() is var (store, sequence))
        {
            var began = _time.GetTimestamp();
            try
            {
                // A failure that another thread met: what is written may be no log any more.
                if (_gate.Failure is null)
                    store.Sync();
            }
            catch (RocksDbException refused)
            {
                _gate.Fail($"the log cannot be synced: {refused.Message}");
            }
            _measures.Synced(_syncing.Count, _time.GetElapsedTime(began));
            _gate.Release(_syncing, sequence, synced: true);
            Done();
        }
    }

    private (Store Store, ulong Sequence)? Next()
    {
        lock (_lock)
        {
            while (_waiting.Count == 0)
            {
                if (_stopping)
                    return null;
                if (_markerBehind == 0)
                    Monitor.Wait(_lock);
                else if (!Monitor.Wait(_lock, Idle))
                    SyncMarker();
            }
            if (_markerBehind >= MarkerEvery)
                SyncMarker();
            (_syncing, _waiting) = (_waiting, _syncing);
            _busy = true;
            return (_store!, _sequence);
        }
    }

    private void Done()
    {
        lock (_lock)
        {
            _syncing.Clear();
            _markerBehind++;
            _busy = false;
            Monitor.PulseAll(_lock);
        }
    }

    private void SyncMarker()
    {
        _markerBehind = 0;
        _gate.SyncMarker();
    }
}
