using Malha.Configuration.Reading.Shapes;
using Malha.Configuration.Validation;
using Malha.Resilience;
using Forms = Malha.Configuration.Reading.Shapes.Shapes;

namespace Malha.Configuration.Reading.Sections;

internal static class CapacitySection
{
    private static readonly Shape<Rate> Rate = Forms.RateUpTo(10_000_000);

    /// <summary>A rate, or a map that says its burst too.</summary>
    public static Shape<Policy<RateLimitOptions>> Shape { get; } = new EitherShape<Rate, Policy<RateLimitOptions>>(
        Rate, "rate", rate => new(Options(rate)),
        // The rate of the new record only stands in until the key is read, which is required.
        new Section<Policy<RateLimitOptions>>("a map: rate, burst", _ => new(new RateLimitOptions { Limit = 1 }))
        .Required("rate", Rate, c => new Rate(c.Value.Limit, c.Value.Period),
            (c, v) => new(c.Value with { Limit = v.Count, Period = v.Per }),
            "Requests in a second, a minute or an hour.")
        .Optional("burst", Forms.Integer(1, 1_000_000_000), "as many as rate has in its period", c => Burst(c.Value),
            (c, v) => new(c.Value with { Burst = v }),
            "Requests that may come at once after a pause.")
        .Checked(PolicyRules.CheckCapacity));

    private static RateLimitOptions Options(Rate rate) => new() { Limit = rate.Count, Period = rate.Per };

    private static int? Burst(RateLimitOptions options) => options.Burst is { } burst ? (int)burst : null;
}
