namespace Malha.Proxy.SelfProtection;

/// <summary>What one look at the budgets came to: immutable, and read once by a request.</summary>
/// <param name="Stage">What is given up.</param>
/// <param name="Tightest">The budget that decided.</param>
internal sealed record Verdict(ProtectionStage Stage, BudgetUse Tightest)
{
    /// <summary>By then the gateway has looked ten times.</summary>
    private const int RetryAfterMs = 1_000;

    public static Verdict Normal { get; } = new(ProtectionStage.Normal, default);

    /// <summary>What a request that is shed is told.</summary>
    public Refusal Refusal { get; } = new(RefusalKind.SelfProtection, Rule: Tightest.Rule, Limit: Tightest.Limit, Observed: Tightest.Used, Unit: Tightest.Unit,
        RetryAfterMs: RetryAfterMs);
}
