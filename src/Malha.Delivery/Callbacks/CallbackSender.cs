using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;
using Malha.Delivery.Operations;

namespace Malha.Delivery.Callbacks;

/// <summary>Tells the ends of operations to the addresses that routes named, each host by itself. Nothing runs while nobody is to be told.</summary>
internal sealed class CallbackSender : IAsyncDisposable
{
    /// <summary>Under way to all hosts together.</summary>
    private const int MostAtATime = 256;

    private readonly Lane _lane;
    private readonly ConcurrentDictionary<string, (CallbackQueue Queue, Task Running)> _hosts = new(StringComparer.Ordinal);
    private readonly CancellationTokenSource _stopping = new();
    private readonly Lock _lock = new();

    public CallbackSender(Lane lane)
    {
        _lane = lane;
        Client = new CallbackClient(() => lane.Settings.Config.Callbacks, lane.Time, (name, cancellation) => Dns.GetHostAddressesAsync(name, AddressFamily.Unspecified, cancellation));
    }

    public CallbackClient Client { get; }

    public SemaphoreSlim Slots { get; } = new(MostAtATime);

    public CallbackCounters Counters { get; } = new();

    public int UnderWay => _hosts.Values.Sum(one => one.Queue.UnderWay);

    /// <summary>Goes on with what was pending at the end before.</summary>
    public void Start()
    {
        if (_lane.Settings.Config.Callbacks is null)
            return;
        foreach (var host in _lane.Store.CallbackHosts().Value ?? [])
            Of(host)?.FallsDue(DateTimeOffset.UnixEpoch);
    }

    /// <summary>An operation was stored; if its end is to be told, it is.</summary>
    public void Stored(Operation operation)
    {
        if (operation is { CallbackState: CallbackState.Pending, CallbackDue: { } due })
            Of(CallbackMessage.HostOf(operation))?.FallsDue(due);
    }

    /// <summary>An attempt's outcome was stored.</summary>
    public void Settled(Operation operation, string host, in CallbackOutcome outcome)
    {
        Counters.Count(operation.CallbackState);
        Stored(operation);
        if (operation.CallbackState is CallbackState.GivenUp or CallbackState.Gone)
            Tell(operation.CallbackState == CallbackState.Gone ? "callback-gone" : "callback-given-up", operation, host, outcome);
        else if (outcome.Problem == CallbackOutcome.Refused && operation.CallbackAttempts == 1)
            Tell("callback-refused", operation, host, outcome);
    }

    public async ValueTask DisposeAsync()
    {
        await _stopping.CancelAsync();
        Task[] running;
        lock (_lock)
            running = [.. _hosts.Values.Select(one => one.Running)];
        await Task.WhenAll(running);
        Client.Dispose();
        Slots.Dispose();
        _stopping.Dispose();
    }

    private void Tell(string name, Operation operation, string host, in CallbackOutcome outcome) => _lane.Gateway.Telemetry.Events.Warning(
        name, ("operation", operation.Id.ToString()), ("host", host), ("attempts", operation.CallbackAttempts), ("status", outcome.Status), ("problem", outcome.Problem));

    private CallbackQueue? Of(string host)
    {
        if (_hosts.TryGetValue(host, out var known))
            return known.Queue;
        lock (_lock)
        {
            if (_hosts.TryGetValue(host, out known))
                return known.Queue;
            if (_stopping.IsCancellationRequested)
                return null;
            var queue = new CallbackQueue(host, _lane, this);
            _hosts[host] = (queue, Task.Run(() => RunAsync(queue)));
            return queue;
        }
    }

    private async Task RunAsync(CallbackQueue queue)
    {
        try
        {
            await queue.RunAsync(_stopping.Token);
        }
        catch (OperationCanceledException)
        {
            // It stops.
        }
    }
}
