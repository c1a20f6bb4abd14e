using Malha.Resilience;

namespace Malha.Lab.Simulation;

/// <summary>Distributions that the simulations draw from.</summary>
internal static class Draw
{
    public static TimeSpan Exponential(this Chance chance, TimeSpan mean) => mean * -Math.Log(1 - chance.NextDouble());

    /// <summary>Box and Muller's, one of the pair.</summary>
    public static double Normal(this Chance chance, double mean, double deviation) =>
        mean + deviation * Math.Sqrt(-2 * Math.Log(1 - chance.NextDouble())) * Math.Cos(2 * Math.PI * chance.NextDouble());

    /// <summary>Calls <paramref name="arrive"/> as a Poisson process whose rate per second may change over time; 0 is looked at again every 10 ms.</summary>
    public static void Arrivals(this VirtualTime time, Chance chance, Func<double, double> rate, double untilSecond, Action arrive)
    {
        Next();

        void Next()
        {
            var now = rate(time.Seconds);
            var pause = now > 0 ? chance.Exponential(TimeSpan.FromSeconds(1 / now)) : TimeSpan.FromMilliseconds(10);
            time.After(pause, () =>
            {
                if (time.Seconds >= untilSecond)
                    return;
                if (now > 0)
                    arrive();
                Next();
            });
        }
    }
}
