using Malha.Configuration.Reading.Shapes;
using Malha.Configuration.Validation;
using Malha.Resilience;
using Forms = Malha.Configuration.Reading.Shapes.Shapes;
using Policies = Malha.Resilience.Defaults;

namespace Malha.Configuration.Reading.Sections;

/// <summary>What the key <c>retry</c> says: when to try again, and what a caller may spend on that.</summary>
internal sealed record RetrySettings(RetryOptions Retry, RetryBudgetOptions Budget);

internal static class RetrySection
{
    private static readonly Shape<BackoffKind> Backoff = new ChoiceShape<BackoffKind>(
        ("none", BackoffKind.None), ("linear", BackoffKind.Linear), ("exponential", BackoffKind.Exponential),
        ("exponential-jitter", BackoffKind.ExponentialJitter));

    /// <summary>What successes earn, or a map that says the floor too.</summary>
    private static readonly Shape<Policy<RetryBudgetOptions>> Budget = new EitherShape<double, Policy<RetryBudgetOptions>>(
        Forms.Share, "ratio", ratio => new(new RetryBudgetOptions { Ratio = ratio }),
        new Section<Policy<RetryBudgetOptions>>("a map: ratio, floor", _ => new(new RetryBudgetOptions()))
        .Optional("ratio", Forms.Share, Defaults.BudgetRatio, b => b.Value.Ratio, (b, v) => new(b.Value with { Ratio = v }),
            "What each first attempt that succeeds earns, in attempts.")
        .Optional("floor", new OrOffShape<Rate>(Forms.RateUpTo(1_000_000)), Defaults.BudgetFloor, b => Floor(b.Value),
            (b, v) => new(b.Value with { FloorPerSecond = v?.PerSecond ?? 0 }),
            "Attempts that are granted whatever happens, so that a quiet caller may retry at all.")
        .Checked(PolicyRules.CheckBudget));

    public static Shape<Policy<RetrySettings>?> OfService { get; } = new OffOrMapShape<Policy<RetrySettings>>(
        Keys("a map: attempts, backoff, base, max, budget")
        .Optional("budget", Budget, "all of its keys' defaults", r => new Policy<RetryBudgetOptions>(r.Value.Budget),
            (r, v) => new(r.Value with { Budget = v.Value }),
            "What a caller may add to its requests to the service, by hedges too: a share of its successes, on top of a floor."));

    public static Shape<Policy<RetrySettings>?> OfRoute { get; } = new OffOrMapShape<Policy<RetrySettings>>(
        Keys("a map: attempts, backoff, base, max")
        .Refused("budget", "a budget belongs to a caller and a service, whatever the route; it stands in the retry of the service"));

    private static Section<Policy<RetrySettings>> Keys(string what) =>
        new Section<Policy<RetrySettings>>(what, _ => new(new RetrySettings(new RetryOptions(), new RetryBudgetOptions())))
        .Optional("attempts", Forms.Integer(1, Policies.RetryAttemptsAtMost), Defaults.RetryAttempts,
            r => r.Value.Retry.Attempts, (r, v) => With(r, r.Value.Retry with { Attempts = v }),
            "Attempts in all, the first one included.")
        .Optional("backoff", Backoff, Defaults.RetryBackoff, r => r.Value.Retry.Backoff, (r, v) => With(r, r.Value.Retry with { Backoff = v }),
            "How the pause before retry n grows: not at all, as base * n, as base * 2^n, or drawn evenly between 0 and that.")
        .Optional("base", Forms.Duration, Defaults.RetryBase, r => r.Value.Retry.Base, (r, v) => With(r, r.Value.Retry with { Base = v }),
            "The unit of the pauses.")
        .Optional("max", Forms.Duration, Defaults.RetryMax, r => r.Value.Retry.Max, (r, v) => With(r, r.Value.Retry with { Max = v }),
            "The longest pause, unless Retry-After asks for up to 5s more.")
        .Checked(PolicyRules.CheckRetry);

    private static Policy<RetrySettings> With(Policy<RetrySettings> item, RetryOptions retry) => new(item.Value with { Retry = retry });

    private static Rate? Floor(RetryBudgetOptions budget) => budget.FloorPerSecond == 0 ? null : Units.ToRate(budget.FloorPerSecond);
}
