using Malha.Configuration;

namespace Malha.Delivery.Deferral;

/// <summary>What is known of a request that may yet be accepted, beside the exchange itself.</summary>
/// <param name="defer">The route's keys.</param>
/// <param name="owner">Who would own the operation.</param>
/// <param name="body">Its body.</param>
/// <param name="preference">What its client prefers.</param>
internal sealed class KeptRequest(DeferConfig defer, string owner, KeptBody body, Preference preference) : IDisposable
{
    // Given back once: by then somebody else may have it.
    private IDisposable? _running;

    public DeferConfig Defer { get; } = defer;

    public string Owner { get; } = owner;

    public KeptBody Body { get; } = body;

    public Preference Preference { get; } = preference;

    /// <summary>The client's Idempotency-Key; null when it sent none.</summary>
    public string? IdempotencyKey { get; init; }

    /// <summary>What operations share that are delivered in order; empty: nothing.</summary>
    public string Key { get; init; } = "";

    /// <summary>Its hold on the Idempotency-Key; null when it has none.</summary>
    public IDisposable? Running { get => _running; set => _running = value; }

    /// <summary>Its Idempotency-Key may be used again.</summary>
    public void Release() => Interlocked.Exchange(ref _running, null)?.Dispose();

    public void Dispose()
    {
        Release();
        Body.Dispose();
    }
}

/// <summary>Idempotency-Keys whose first call is being carried out: nobody else may use them meanwhile.</summary>
internal sealed class RunningKeys
{
    private readonly System.Collections.Concurrent.ConcurrentDictionary<(string Owner, string Key), byte> _running = new();

    /// <summary>Null: somebody has it.</summary>
    public IDisposable? TryTake(string owner, string key) => _running.TryAdd((owner, key), 0) ? new Hold(this, (owner, key)) : null;

    private sealed class Hold(RunningKeys keys, (string, string) key) : IDisposable
    {
        public void Dispose() => keys._running.TryRemove(key, out _);
    }
}
