using Malha.Proxy.Upstream;
using Malha.Resilience;

namespace Malha.Proxy.Telemetry.Metrics;

/// <summary>What is counted of the attempts at one endpoint and the connections to it.</summary>
internal sealed class EndpointMetrics
{
    /// <summary>Ten methods with a dozen outcomes each; an endpoint that needs more is counted on, not told apart.</summary>
    private const int MaxSeries = 128;

    private static readonly int Outcomes = Enum.GetValues<ConnectOutcome>().Length;

    private readonly long[] _connects = new long[Outcomes];
    private readonly long[] _breakerMoves = new long[Enum.GetValues<BreakerState>().Length];
    private long _shadowRefusals;
    private long _retries;
    private int _connecting;

    /// <summary>Attempts by outcome, each from its beginning to the answer's head.</summary>
    public SeriesTable Attempts { get; } = new(new SeriesBudget(MaxSeries));

    /// <summary>Attempts that repeat an earlier one.</summary>
    public long Retries => Interlocked.Read(ref _retries);

    /// <summary>Times that its breaker came to a state.</summary>
    public long BreakerMoves(BreakerState to) => Interlocked.Read(ref _breakerMoves[(int)to]);

    /// <summary>Attempts that a breaker in shadow mode would have refused.</summary>
    public long ShadowRefusals => Interlocked.Read(ref _shadowRefusals);

    /// <summary>Connections that are being opened now.</summary>
    public int Connecting => Volatile.Read(ref _connecting);

    /// <summary>Connections asked for, by what came of it.</summary>
    public long Connects(ConnectOutcome outcome) => Interlocked.Read(ref _connects[(int)outcome]);

    public void Retried() => Interlocked.Increment(ref _retries);

    public void BreakerMoved(BreakerState to) => Interlocked.Increment(ref _breakerMoves[(int)to]);

    public void WouldHaveRefused() => Interlocked.Increment(ref _shadowRefusals);

    public void ConnectBegan() => Interlocked.Increment(ref _connecting);

    public void ConnectEnded(ConnectOutcome outcome)
    {
        Interlocked.Decrement(ref _connecting);
        Interlocked.Increment(ref _connects[(int)outcome]);
    }

    /// <summary>No connection was asked for: too many wait already.</summary>
    public void ConnectRefused() => Interlocked.Increment(ref _connects[(int)ConnectOutcome.Overflow]);
}
