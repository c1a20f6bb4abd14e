using Malha.Resilience;

namespace Malha.Tests.Resilience;

/// <summary>Moments of virtual time, by seconds.</summary>
internal static class At
{
    public static Moment Seconds(double seconds) => new((long)Math.Round(seconds * TimeSpan.TicksPerSecond));

    public static TimeSpan Ms(double milliseconds) => TimeSpan.FromMilliseconds(milliseconds);

    public static TimeSpan S(double seconds) => TimeSpan.FromSeconds(seconds);
}
