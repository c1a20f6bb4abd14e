using Malha.Proxy.SelfProtection;

namespace Malha.ControlPlane.Api.Views;

/// <summary>What the gateway uses of its machine, and what it gives up for that.</summary>
/// <param name="Stage"><c>normal</c>, <c>no-keep-alive</c>, <c>shedding</c> or <c>not-accepting</c>.</param>
/// <param name="Rule">The budget that decided on the stage, as the path of its setting; null in the normal stage.</param>
/// <param name="Refused">Requests refused for it since the start.</param>
/// <param name="StreamedBodies">Bodies of requests that were not kept for another attempt.</param>
/// <param name="FailedAccepts">Times that a connection could not be accepted for want of a descriptor or of memory.</param>
/// <param name="Budgets">All budgets.</param>
public sealed record ProtectionView(string Stage, string? Rule, long Refused, long StreamedBodies, long FailedAccepts, IReadOnlyList<BudgetView> Budgets)
{
    internal static ProtectionView Of(OverloadMonitor protection)
    {
        var verdict = protection.Verdict;
        return new ProtectionView(
            ProtectionStages.TextOf(verdict.Stage),
            verdict.Stage == ProtectionStage.Normal ? null : verdict.Tightest.Rule,
            protection.Refused,
            protection.Buffers.Streamed,
            protection.FailedAccepts,
            [.. protection.Uses().Select(BudgetView.Of)]);
    }
}

/// <summary>One budget.</summary>
/// <param name="Rule">The path of its setting.</param>
/// <param name="Used">What is used of it, in <paramref name="Unit"/>.</param>
/// <param name="Limit">All of it, in <paramref name="Unit"/>; null when it is not watched.</param>
/// <param name="Unit"><c>bytes</c>, <c>files</c> or <c>connections</c>.</param>
public sealed record BudgetView(string Rule, long Used, long? Limit, string Unit)
{
    internal static BudgetView Of(BudgetUse use) => new(use.Rule, use.Used, use.IsWatched ? use.Limit : null, use.Unit);
}
