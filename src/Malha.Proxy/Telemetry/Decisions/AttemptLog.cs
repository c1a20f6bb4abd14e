using Malha.Proxy.Upstream;

namespace Malha.Proxy.Telemetry.Decisions;

/// <summary>One attempt as it is remembered.</summary>
/// <param name="Endpoint">Where it went.</param>
/// <param name="Start">Since the request's arrival.</param>
/// <param name="Duration">To the answer's head, or to its failure.</param>
/// <param name="Status">The answer's status; 0 when there was none.</param>
/// <param name="Failure">Why there was none.</param>
/// <param name="Next">What followed on it when it failed.</param>
/// <param name="Delay">The back-off before the next attempt; with a refusal, the one that there would have been.</param>
/// <param name="SpanId">Its span's id, when the exchange is traced.</param>
/// <param name="Number">Which attempt it was, from 1.</param>
/// <param name="IsHedge">Whether it was made beside another.</param>
internal readonly record struct AttemptRecord(
    EndpointState Endpoint, TimeSpan Start, TimeSpan Duration, int Status, RefusalKind Failure, NextStep Next = NextStep.None, TimeSpan Delay = default,
    ulong SpanId = 0, int Number = 0, bool IsHedge = false);

/// <summary>The attempts of one exchange, as they are made: the first few, and the last one.</summary>
internal sealed class AttemptLog
{
    /// <summary>More are made only by a policy that asks for them; what lies between the first and the last is alike.</summary>
    public const int Kept = 8;

    private readonly AttemptRecord[] _attempts = new AttemptRecord[Kept];
    private EndpointState? _endpoint;
    private int _ended;

    /// <summary>Those that have ended and are kept.</summary>
    public ReadOnlySpan<AttemptRecord> Attempts => _attempts.AsSpan(0, Math.Min(Ended, Kept));

    /// <summary>Attempts that have ended.</summary>
    public int Ended => _ended;

    /// <summary>Whether a policy was asked for another attempt and refused: somebody may want to know why.</summary>
    public bool WasRefusedARetry { get; private set; }

    /// <summary>The endpoint of the attempt that was begun last.</summary>
    public EndpointState? Endpoint => _endpoint;

    public void Begin(EndpointState endpoint) => _endpoint = endpoint;

    /// <summary>An attempt is over. Hedges end on several threads.</summary>
    public void End(in AttemptRecord attempt) => _attempts[Math.Min(Interlocked.Increment(ref _ended), Kept) - 1] = attempt;

    /// <summary>What was decided about another attempt after the one that ended last.</summary>
    public void Followed(NextStep next, TimeSpan delay)
    {
        ref var last = ref _attempts[Math.Min(Ended, Kept) - 1];
        last = last with { Next = next, Delay = delay };
        WasRefusedARetry = next > NextStep.NoPolicy;
    }

    public void Reset()
    {
        WasRefusedARetry = false;
        Array.Clear(_attempts, 0, Math.Min(Ended, Kept));
        _ended = 0;
        _endpoint = null;
    }
}
