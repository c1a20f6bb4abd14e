namespace Malha.Resilience;

/// <summary>Admission to one service as an operator sees it.</summary>
public readonly record struct AdmissionSnapshot
{
    /// <summary>Attempts that may be in flight now.</summary>
    public int Limit { get; init; }

    /// <summary>Attempts in flight, abandoned ones that still count included.</summary>
    public int InFlight { get; init; }

    /// <summary>Attempts that nobody waits for any more, and that the service may still be working on.</summary>
    public int Abandoned { get; init; }

    /// <summary>Calls in the queues.</summary>
    public int Waiting { get; init; }

    /// <summary>What an answer takes at present; 0 while nothing is known.</summary>
    public TimeSpan TypicalLatency { get; init; }
}
