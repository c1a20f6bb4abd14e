namespace Malha.Resilience;

/// <summary>
/// What one route's answers take when the service is idle, as one adaptive limit sees it. Each route of a service keeps one and hands it in with its
/// samples: a 1 ms route and a 200 ms route are then each measured against themselves.
/// </summary>
public sealed class RouteBaseline
{
    /// <summary>After so many samples the mean forgets as it learns.</summary>
    private const int Memory = 64;
    /// <summary>In ticks, in the units of its limit's scale; 0 while nothing is known.</summary>
    internal double Ticks { get; private set; }

    /// <summary>The first one.</summary>
    internal double First { get; private set; }

    internal int Samples { get; private set; }

    internal void Learn(double ticks)
    {
        if (Samples == 0)
            First = ticks;
        Samples = Math.Min(Samples + 1, Memory);
        Ticks += (ticks - Ticks) / Samples;
    }
}
