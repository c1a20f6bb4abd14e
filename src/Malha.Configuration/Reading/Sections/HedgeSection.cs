using Malha.Configuration.Reading.Shapes;
using Malha.Configuration.Validation;
using Malha.Resilience;
using Forms = Malha.Configuration.Reading.Shapes.Shapes;
using Policies = Malha.Resilience.Defaults;

namespace Malha.Configuration.Reading.Sections;

internal static class HedgeSection
{
    private const string Measured = "p95";

    /// <summary>No duration stands for the measured one.</summary>
    private static readonly Shape<TimeSpan> Delay = new TextShape<TimeSpan>(
        $"{Measured}, or {Forms.Duration.Allowed}", $"^{Measured}$|{Units.DurationPattern}", ReadDelay,
        delay => delay == TimeSpan.Zero ? Measured : Units.Format(delay));

    public static Shape<Policy<HedgingOptions>?> Shape { get; } = new OffOrMapShape<Policy<HedgingOptions>>(
        new Section<Policy<HedgingOptions>>("a map: delay, hedges", _ => new(new HedgingOptions()))
        .Optional("delay", Delay, Defaults.HedgeDelay, h => h.Value.Delay ?? TimeSpan.Zero,
            (h, v) => new(h.Value with { Delay = v == TimeSpan.Zero ? null : v }),
            "How long an attempt has before another starts beside it; p95 is the measured 95th percentile of the service's latency, at least 1ms.")
        .Optional("hedges", Forms.Integer(1, Policies.HedgingHedgesAtMost), Defaults.Hedges,
            h => h.Value.Hedges, (h, v) => new(h.Value with { Hedges = v }),
            "The most attempts beside the first.")
        .Checked(PolicyRules.CheckHedge));

    private static string? ReadDelay(string text, out TimeSpan delay)
    {
        delay = TimeSpan.Zero;
        return text == Measured ? null : Forms.ReadDuration(text, out delay);
    }
}
