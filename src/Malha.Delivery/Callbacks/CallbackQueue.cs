using System.Collections.Concurrent;
using Malha.Configuration;
using Malha.Delivery.Log;
using Malha.Delivery.Operations;

namespace Malha.Delivery.Callbacks;

/// <summary>The callbacks to one host: what is due, longest due first, a few at a time. Nothing leaves the store before it is settled: an end at any moment repeats, and loses nothing.</summary>
internal sealed class CallbackQueue(string host, Lane lane, CallbackSender sender)
{
    // Also how late a change of the configuration is noticed.
    private static readonly TimeSpan LongestRest = TimeSpan.FromSeconds(1);
    private const int Changes = 3;

    private readonly ConcurrentDictionary<OperationId, byte> _running = new();
    private readonly Lock _lock = new();
    private TaskCompletionSource _wake = Waiting();
    // Nothing is due before this time.
    private DateTimeOffset _from = DateTimeOffset.UnixEpoch;
    private DateTimeOffset _told = DateTimeOffset.MaxValue;
    private DateTimeOffset? _next;

    public int UnderWay => _running.Count;

    public void FallsDue(DateTimeOffset at)
    {
        lock (_lock)
        {
            _told = at < _told ? at : _told;
            _from = at < _from ? at : _from;
        }
        Volatile.Read(ref _wake).TrySetResult();
    }

    public async Task RunAsync(CancellationToken stopping)
    {
        var sending = new ConcurrentDictionary<Task, byte>();
        while (!stopping.IsCancellationRequested)
        {
            var wake = Waiting();
            Volatile.Write(ref _wake, wake);
            try
            {
                foreach (var id in Due())
                {
                    var task = SendAsync(id, stopping);
                    sending.TryAdd(task, 0);
                    _ = task.ContinueWith(done => sending.TryRemove(done, out _), CancellationToken.None, TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default);
                }
                await Task.WhenAny(wake.Task, Task.Delay(Rest(), lane.Time, stopping));
            }
            catch (Exception bug) when (bug is not OperationCanceledException)
            {
                lane.Gateway.Plane.Failed(bug);
                await Task.WhenAny(Task.Delay(LongestRest, lane.Time, stopping));
            }
        }
        await Task.WhenAll(sending.Keys);
    }

    private static TaskCompletionSource Waiting() => new(TaskCreationOptions.RunContinuationsAsynchronously);

    private TimeSpan Rest()
    {
        lock (_lock)
        {
            var rest = _next is { } next ? next - lane.Time.GetUtcNow() : LongestRest;
            return rest > LongestRest ? LongestRest : rest < TimeSpan.FromMilliseconds(1) ? TimeSpan.FromMilliseconds(1) : rest;
        }
    }

    private List<OperationId> Due()
    {
        var now = lane.Time.GetUtcNow();
        var room = (lane.Settings.Config.Callbacks?.PerHost ?? 0) - _running.Count;
        DateTimeOffset from;
        lock (_lock)
        {
            _next = null;
            if (room <= 0)
                return [];
            from = _from;
            _told = DateTimeOffset.MaxValue;
        }
        var read = lane.Store.DueCallbacks(host, from, now + LongestRest, _running.Count + room);
        var found = read.Value ?? [];
        var due = found.Where(entry => entry.At <= now && _running.TryAdd(entry.Id, 0)).Select(entry => entry.Id).Take(room).ToList();
        lock (_lock)
        {
            var first = found.Count > 0 ? found[0].At : now;
            if (read.Outcome == ReadOutcome.Found)
                _from = _told < first ? _told : first;
            _next = found.FirstOrDefault(entry => entry.At > now) is { At: var next } && next > now ? next : null;
        }
        return due;
    }

    private async Task SendAsync(OperationId id, CancellationToken stopping)
    {
        await Task.CompletedTask.ConfigureAwait(ConfigureAwaitOptions.ForceYielding);
        try
        {
            if ((await lane.Store.FindAsync(id, stopping)).Value is { CallbackState: CallbackState.Pending } operation && lane.Settings.Config.Callbacks is { } settings
                && await sender.Slots.WaitAsync(settings.Timeout, stopping))
            {
                try
                {
                    await SendAsync(operation, settings, stopping);
                }
                finally
                {
                    sender.Slots.Release();
                }
            }
        }
        catch (OperationCanceledException)
        {
            // It stops, and is told after the next start.
        }
        catch (Exception bug)
        {
            lane.Gateway.Plane.Failed(bug);
        }
        finally
        {
            _running.TryRemove(id, out _);
            Volatile.Read(ref _wake).TrySetResult();
        }
    }

    private async Task SendAsync(Operation operation, CallbacksConfig settings, CancellationToken stopping)
    {
        var outcome = CallbackMessage.Of(operation, lane) is { } message ? await sender.Client.SendAsync(message, settings, stopping) : new CallbackOutcome(410, "no-url");
        var now = lane.Time.GetUtcNow();
        Operation? current = operation;
        // An operator's word may come in between; a replayed dead letter has no callback to be settled.
        for (var change = 0; change < Changes && current is { CallbackState: CallbackState.Pending } && current.Finished == operation.Finished; change++)
        {
            var after = CallbackSchedule.After(current, outcome, lane.Settings.Config, lane.Dispatcher.Chance(), now);
            if ((await lane.Store.UpdateAsync(after, null, AckLevel.Leader, stopping)).Outcome == LogOutcome.Done)
            {
                sender.Settled(after, host, outcome);
                return;
            }
            current = (await lane.Store.FindAsync(operation.Id, stopping)).Value;
        }
        // What cannot be stored, of a full disk say, is due still: told again at once, it would be for as long as that lasts.
        await Task.Delay(LongestRest, lane.Time, stopping);
    }
}
