using System.Collections.Concurrent;
using Malha.Proxy.Upstream;
using Malha.Resilience;

namespace Malha.Proxy.Telemetry.Logging;

/// <summary>
/// Brings what happens to breakers into the log, in order and on a thread of the pool: a breaker moves in the middle of a request, whose thread has others
/// to serve, and the log takes a lock.
/// </summary>
internal sealed class BreakerJournal(EventLog events) : IThreadPoolWorkItem
{
    private readonly ConcurrentQueue<(string Service, EndpointState Endpoint, BreakerTransition Transition)> _moves = new();
    private int _pending;

    public void Add(string service, EndpointState endpoint, in BreakerTransition transition)
    {
        _moves.Enqueue((service, endpoint, transition));
        // Whoever finds the count at zero starts the one who writes; that one goes on until it is there again.
        if (Interlocked.Increment(ref _pending) == 1)
            ThreadPool.UnsafeQueueUserWorkItem(this, preferLocal: false);
    }

    void IThreadPoolWorkItem.Execute()
    {
        do
        {
            if (_moves.TryDequeue(out var move))
                Write(move.Service, move.Endpoint, move.Transition);
        }
        while (Interlocked.Decrement(ref _pending) > 0);
    }

    private void Write(string service, EndpointState endpoint, in BreakerTransition transition)
    {
        EventField[] fields =
        [
            ("service", service), ("endpoint", endpoint.Name), ("from", BreakerNames.Of(transition.From)), ("to", BreakerNames.Of(transition.To)),
            ("rule", BreakerNames.Of(transition.Rule)), ("observed", transition.Observed), ("limit", transition.Limit),
            ("openForMs", Math.Round(transition.OpenFor.TotalMilliseconds)),
        ];
        if (transition.To == BreakerState.Open)
            events.Warning("breaker-moved", fields);
        else
            events.Info("breaker-moved", fields);
    }
}
