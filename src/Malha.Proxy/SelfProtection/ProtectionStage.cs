namespace Malha.Proxy.SelfProtection;

/// <summary>What the gateway gives up to stay alive. Each stage contains those before it.</summary>
internal enum ProtectionStage : byte
{
    Normal = 0,

    /// <summary>Answers end their connections, and idle ones to endpoints are closed.</summary>
    NoKeepAlive = 1,

    /// <summary>Requests of the lowest class are refused; without classes every second one.</summary>
    Shedding = 2,

    /// <summary>Nobody new is let in; the kernel's backlog is the queue. Connections that rest go, a few at a time.</summary>
    NotAccepting = 3,
}

internal static class ProtectionStages
{
    /// <summary>The part of a budget with which each stage begins.</summary>
    private static readonly double[] Begin = [0, 0.80, 0.90, 0.95];

    /// <summary>The part below which it ends: lower, or a gateway at the brink would change to and fro.</summary>
    private static readonly double[] End = [0, 0.75, 0.85, 0.90];

    private static readonly string[] Names = ["normal", "no-keep-alive", "shedding", "not-accepting"];

    /// <summary>What logs, metrics and the admin API call it.</summary>
    public static string TextOf(ProtectionStage stage) => Names[(int)stage];

    /// <summary>The stage that follows.</summary>
    /// <param name="before">The one until now.</param>
    /// <param name="share">The part used of the budget that is used most.</param>
    public static ProtectionStage Next(ProtectionStage before, double share)
    {
        var stage = ProtectionStage.NotAccepting;
        while (stage > ProtectionStage.Normal && share < (stage <= before ? End : Begin)[(int)stage])
            stage--;
        return stage;
    }

    /// <summary>How much of a budget may be used before the next stage begins; <see cref="BudgetUse.Unlimited"/> after the last one.</summary>
    public static long BeginOfNext(ProtectionStage stage, long limit) => stage == ProtectionStage.NotAccepting || limit == BudgetUse.Unlimited
        ? BudgetUse.Unlimited : (long)Math.Ceiling(limit * Begin[(int)stage + 1]);
}
