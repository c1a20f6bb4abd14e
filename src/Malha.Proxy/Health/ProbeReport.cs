namespace Malha.Proxy.Health;

/// <summary>What came of one check.</summary>
internal enum ProbeVerdict : byte
{
    Passed,

    /// <summary>The endpoint answered, and not as it should.</summary>
    Failed,

    TimedOut,

    /// <summary>No connection, or it broke.</summary>
    Unreachable,
}

/// <summary>The result of one check.</summary>
/// <param name="Verdict">What came of it.</param>
/// <param name="Failure">What failed, in an operator's words, without secrets; null when it passed.</param>
/// <param name="Dependencies">
/// What stands behind the endpoint and troubles it, as far as it says so itself. Empty: it says nothing. Null: the fault is its own.
/// </param>
internal sealed record ProbeReport(ProbeVerdict Verdict, string? Failure, IReadOnlyList<string>? Dependencies)
{
    /// <summary>A failure is told to clients and logged: it has a limit.</summary>
    private const int MaxFailure = 200;

    public static ProbeReport Good { get; } = new(ProbeVerdict.Passed, null, []);

    public bool IsGood => Verdict == ProbeVerdict.Passed;

    /// <summary>It passed, although something behind the endpoint is not well.</summary>
    public static ProbeReport Degraded(IReadOnlyList<string> dependencies) => new(ProbeVerdict.Passed, null, dependencies);

    public static ProbeReport Failed(string failure, IReadOnlyList<string>? dependencies) => new(ProbeVerdict.Failed, Cut(failure), dependencies);

    /// <summary>Something behind it may be what it waits for.</summary>
    public static ProbeReport TimedOut(string failure) => new(ProbeVerdict.TimedOut, Cut(failure), []);

    public static ProbeReport Unreachable(string failure) => new(ProbeVerdict.Unreachable, Cut(failure), null);

    private static string Cut(string text) => text.Length <= MaxFailure ? text : text[..(MaxFailure - 1)] + "…";
}
