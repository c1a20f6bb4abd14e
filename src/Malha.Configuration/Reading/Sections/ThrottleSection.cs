using Malha.Configuration.Reading.Shapes;
using Malha.Configuration.Validation;
using Malha.Resilience;
using Forms = Malha.Configuration.Reading.Shapes.Shapes;

namespace Malha.Configuration.Reading.Sections;

internal static class ThrottleSection
{
    /// <summary>The file says the least share that must be accepted, the formula its reciprocal.</summary>
    public static Shape<Policy<ThrottleOptions>?> Shape { get; } = new OffOrMapShape<Policy<ThrottleOptions>>(
        new Section<Policy<ThrottleOptions>>("a map: below, window", _ => new(new ThrottleOptions()))
        .Optional("below", Forms.SomeShare, Defaults.ThrottleBelow, t => 1 / t.Value.Multiplier, (t, v) => new(t.Value with { Multiplier = 1 / v }),
            "The share of a client's requests that the service must take; while it takes less, it is sent no more than fit.")
        .Optional("window", Forms.Duration, Defaults.ThrottleWindow, t => t.Value.Window, (t, v) => new(t.Value with { Window = v }),
            "For how long what the service took is remembered.")
        .Checked(PolicyRules.CheckThrottle));
}
