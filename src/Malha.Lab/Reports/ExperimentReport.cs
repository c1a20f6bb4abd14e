namespace Malha.Lab.Reports;

/// <summary>Whether an experiment showed what it must, and why in one sentence.</summary>
internal sealed record Verdict(bool Passed, string Reason)
{
    public string Word => Passed ? "pass" : "fail";
}

/// <summary>What an experiment found, in the order in which it is read.</summary>
internal sealed record ExperimentReport
{
    public required string Name { get; init; }

    public required string Title { get; init; }

    /// <summary>Why the policy exists: what goes wrong without it.</summary>
    public required string Why { get; init; }

    /// <summary>What is simulated, and what is compared.</summary>
    public required string Setup { get; init; }

    public required Verdict Verdict { get; init; }

    public required IReadOnlyList<FigureTable> Tables { get; init; }

    public IReadOnlyList<Plot> Plots { get; init; } = [];

    /// <summary>The seed that repeats it.</summary>
    public ulong Seed { get; init; }

    public string Command => FormattableString.Invariant($"malha lab {Name} --seed {Seed}");
}

/// <summary>All that one run of the lab found.</summary>
internal sealed record LabReport(ulong Seed, IReadOnlyList<ExperimentReport> Experiments)
{
    public bool Passed => Experiments.All(experiment => experiment.Verdict.Passed);

    /// <summary>The experiment that was asked for; null: all of them.</summary>
    public string? Asked { get; init; }

    /// <summary>Whether it was measured with real processes in real time: then the same seed does the same things, but does not find the same figures.</summary>
    public bool IsLive { get; init; }

    public string Command => FormattableString.Invariant($"malha lab {(Asked is null ? "" : Asked + " ")}--seed {Seed}");
}
