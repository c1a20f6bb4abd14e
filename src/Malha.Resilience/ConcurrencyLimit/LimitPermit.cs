namespace Malha.Resilience;

/// <summary>One attempt's place among those in flight; to be given back exactly once, ended or abandoned.</summary>
public readonly record struct LimitPermit
{
    internal Moment Started { get; init; }

    /// <summary>How many were in flight when it began, itself included.</summary>
    internal int InFlight { get; init; }

    /// <summary>Seats that were free but held back for other classes then: to whoever may not have them they are in use.</summary>
    internal int Held { get; init; }

    internal int Class { get; init; }

    internal int Trial { get; init; }

    internal bool IsValid => InFlight > 0;
}

/// <summary>An attempt that nobody waits for any more but that the service may still be working on.</summary>
public readonly record struct AbandonedAttempt(int Id);
