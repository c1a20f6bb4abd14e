using Malha.Delivery.Operations;
using RocksDbSharp;

namespace Malha.Delivery.Log;

/// <summary>
/// The one thread that writes. It takes all that waits as one group, one batch, one write; what waits meanwhile is the next group. It also is the one that closes and opens
/// the store again after an error, whoever met it: there is never a write under way then.
/// </summary>
internal sealed class LogWriter : IDisposable
{
    // How often an idle log looks for errors in the background.
    private static readonly TimeSpan Patience = TimeSpan.FromMilliseconds(250);
    private static readonly TimeSpan StallPause = TimeSpan.FromMilliseconds(2);

    private readonly EmbeddedLogConfig _config;
    private readonly WriteQueue _queue;
    private readonly AckGate _gate;
    private readonly LogSyncer _syncer;
    private readonly SpaceGuard _space;
    private readonly LogMeasures _measures;
    private readonly LaneDepths _depths;
    private readonly Action<OpenReport> _reopened;
    private readonly ManualResetEventSlim _stopping = new();
    // Never set: a wait of a length.
    private readonly ManualResetEventSlim _pause = new();
    private readonly Thread _thread;
    private readonly List<PendingWrite> _group = [];
    private readonly List<PendingWrite> _written = [];
    private readonly List<PendingWrite> _toSync = [];
    // Acknowledged from memory (acks none) and in a batch that failed: written again.
    private readonly List<PendingWrite> _kept = [];
    private Store? _store;
    private GroupPlan? _plan;

    public LogWriter(
        EmbeddedLogConfig config, WriteQueue queue, AckGate gate, LogSyncer syncer, SpaceGuard space, LogMeasures measures, LaneDepths depths, Store store,
        Action<OpenReport> reopened)
    {
        (_config, _queue, _gate, _syncer, _space, _measures, _depths, _reopened) = (config, queue, gate, syncer, space, measures, depths, reopened);
        (_store, _plan) = (store, new GroupPlan(store, depths));
        depths.Count(store);
        _thread = new Thread(Run) { Name = "malha-log-write", IsBackground = true };
        _thread.Start();
    }

    /// <summary>To read from; null while it is closed.</summary>
    public Store? Store => Volatile.Read(ref _store);

    /// <summary>Writes and syncs what is queued, and ends.</summary>
    public void Dispose()
    {
        _stopping.Set();
        _queue.Wake();
        _thread.Join();
        _stopping.Dispose();
        _pause.Dispose();
        _plan?.Dispose();
    }

    private void Run()
    {
        while (true)
        {
            if (_gate.Failure is not null)
            {
                if (_stopping.IsSet)
                    break;
                Reopen();
                continue;
            }
            _group.AddRange(_kept);
            var again = _kept.Count;
            _kept.Clear();
            if (again == 0)
                _queue.Take(_group, _config.GroupCount, _config.GroupBytes, Patience);
            if (_group.Count > 0)
                WriteGroup(again > 0);
            else if (_stopping.IsSet)
                break;
            else if (_store!.BackgroundErrors > 0)
                _gate.Fail("RocksDB met an error in the background");
            _group.Clear();
        }
        _syncer.Stop();
        FailAll();
        Close();
    }

    private void WriteGroup(bool again)
    {
        var planned = 0;
        try
        {
            _plan!.Begin();
            var nearlyFull = _space.Look();
            for (planned = 0; planned < _group.Count; planned++)
                Plan(_group[planned], again, nearlyFull);
            _plan.End();
            if (!_plan.IsEmpty)
                Write(_store!, _plan.Batch);
            if (_store!.BackgroundErrors > 0)
                throw new RocksDbStopped("RocksDB met an error in the background");
        }
        catch (Exception refused) when (refused is RocksDbException or RocksDbStopped)
        {
            _gate.Fail($"the log cannot be written: {refused.Message}");
            Give(_written);
            Give(_toSync);
            _group.RemoveRange(0, planned);
            Give(_group);
            return;
        }
        _measures.Grouped(_written.Count + _toSync.Count);
        var sequence = _store.LatestSequence;
        // To the syncer first: the disk is what takes long.
        if (_toSync.Count > 0)
            _syncer.Hand(_store, sequence, _toSync);
        if (_written.Exists(pending => pending.Acks != AckLevel.None))
            _gate.Release(_written, sequence, synced: false);
        else
            _written.ForEach(pending => _gate.Complete(pending, pending.Result with { Sequence = sequence }));
        _toSync.Clear();
        _written.Clear();
        // Last, so that whoever is told by it finds acknowledged what it is about, at none and leader.
        _depths.Apply(_plan.Changes);
    }

    private void Plan(PendingWrite pending, bool again, bool nearlyFull)
    {
        // Its caller gave up while it waited. At none it was told already, and stays.
        if (!pending.TryTake() && pending.Acks != AckLevel.None)
        {
            _gate.Complete(pending, pending.Result);
            return;
        }
        if (nearlyFull && pending is { Acks: not AckLevel.None, Command: LogCommand.Accept })
        {
            _gate.Complete(pending, new LogResult(LogOutcome.DiskNearlyFull, pending.Command.Id));
            return;
        }
        pending.Result = _plan!.Add(pending.Command, again);
        if (!pending.Result.IsAcknowledged)
            _gate.Complete(pending, pending.Result);
        else if (pending.Acks == AckLevel.All)
            _toSync.Add(pending);
        else
            _written.Add(pending);
    }

    // A stall is back-pressure: the same batch again a little later, while the queue fills and callers are told. One with an error behind it never ends.
    private void Write(Store store, WriteBatch batch)
    {
        while (!store.Write(batch))
        {
            if (store.BackgroundErrors > 0)
                throw new RocksDbStopped("RocksDB met an error in the background");
            _pause.Wait(StallPause);
        }
    }

    private void Reopen()
    {
        FailAll();
        Close();
        if (_stopping.Wait(0))
            return;
        var (report, store, marker) = LogOpening.Open(_config);
        // The disk may be full of others' files: what was kept for this is given up.
        if (report.Outcome == OpenOutcome.Failed && _space.Release())
            (report, store, marker) = LogOpening.Open(_config);
        if (store is not null && Verified(store) is { } damage)
        {
            store.Dispose();
            marker!.Dispose();
            (report, store) = (OpenReport.Refused(OpenOutcome.Damaged, $"a table is damaged ({damage}): keep what is whole with `malha ops recover`"), null);
        }
        _reopened(report);
        if (store is null)
        {
            // Damage does not heal: it waits for an operator, and looks less often.
            _stopping.Wait(report.Outcome == OpenOutcome.Damaged ? 20 * _config.RetryEvery : _config.RetryEvery);
            return;
        }
        _plan = new GroupPlan(store, _depths);
        _depths.Count(store);
        Volatile.Write(ref _store, store);
        _space.Reserve();
        _measures.Reopened();
        _gate.Open(marker!);
    }

    private static string? Verified(Store store)
    {
        try
        {
            store.Verify();
            return null;
        }
        catch (RocksDbException damaged)
        {
            return damaged.Message;
        }
    }

    private void FailAll()
    {
        Give(_syncer.Drain());
        var queued = new List<PendingWrite>();
        _queue.TakeAll(queued);
        Give(queued);
    }

    // Not acknowledged; what was, at none, is kept for the next try.
    private void Give(List<PendingWrite> writes)
    {
        foreach (var pending in writes)
        {
            if (pending.Acks == AckLevel.None && !_stopping.IsSet)
                _kept.Add(pending);
            else
                _gate.Complete(pending, new LogResult(LogOutcome.Failed, pending.Command.Id));
        }
        writes.Clear();
    }

    private void Close()
    {
        var store = _store;
        Volatile.Write(ref _store, null);
        _plan?.Dispose();
        _plan = null;
        store?.Dispose();
        _gate.Close();
    }

    private sealed class RocksDbStopped(string message) : Exception(message);
}
