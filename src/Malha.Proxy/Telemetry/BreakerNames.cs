using Malha.Resilience;

namespace Malha.Proxy.Telemetry;

/// <summary>What the log, the metrics and the admin API call a breaker's states, modes and rules.</summary>
internal static class BreakerNames
{
    private static readonly string[] States = ["closed", "open", "half-open", "ramping"];
    private static readonly string[] Modes = ["auto", "open", "closed", "disabled", "shadow"];
    private static readonly string[] Rules = ["none", "failures", "consecutive", "slow", "probes", "probes-under-way", "ramp", "manual"];

    public static IReadOnlyList<string> AllModes => Modes;

    public static string Of(BreakerState state) => States[(int)state];

    public static string Of(BreakerMode mode) => Modes[(int)mode];

    public static string Of(BreakerRule rule) => Rules[(int)rule];

    /// <summary>Null when the text is none of them.</summary>
    public static BreakerMode? ModeOf(string text) => Array.IndexOf(Modes, text) is >= 0 and var index ? (BreakerMode)index : null;

    /// <summary>What calls meet: an operator's word goes before the breaker's own state.</summary>
    public static BreakerState Effective(in BreakerSnapshot breaker) => breaker.Mode switch
    {
        BreakerMode.ForcedOpen => BreakerState.Open,
        BreakerMode.ForcedClosed or BreakerMode.Disabled => BreakerState.Closed,
        _ => breaker.State,
    };
}
