using System.Globalization;

namespace Malha.Lab.Scenarios;

/// <summary>Who protects the service.</summary>
internal enum Arm
{
    /// <summary>Nobody: timeouts and blind retries.</summary>
    Naive,
    Malha,

    /// <summary>Timeouts without any retry: what the load alone does.</summary>
    NoRetry,
}

/// <summary>What one run of a scenario gave.</summary>
internal sealed record ScenarioResult(string Scenario, Arm Arm, ulong Seed)
{
    public IReadOnlyList<int> Asked { get; init; } = [];

    public IReadOnlyList<int> Good { get; init; } = [];

    public IReadOnlyList<int> Attempts { get; init; } = [];

    public double RecoverySeconds { get; init; }

    public IReadOnlyList<Check> Checks { get; init; } = [];

    public bool Passed => Checks.All(check => check.Holds);

    /// <summary>Every measured value against its bound.</summary>
    public string Reason => string.Join("; ", Checks);
}

/// <summary>One measured value and what it must be.</summary>
internal sealed record Check(string What, double Measured, double Bound, bool Holds)
{
    public bool IsAtLeast { get; private init; }

    public static Check AtLeast(string what, double measured, double bound) => new(what, measured, bound, measured >= bound) { IsAtLeast = true };

    public static Check AtMost(string what, double measured, double bound) => new(what, measured, bound, measured <= bound);

    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"{(Holds ? "" : "NOT ")}{What} {Measured:0.###} (bound {Bound:0.###})");
}
