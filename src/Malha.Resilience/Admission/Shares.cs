namespace Malha.Resilience;

/// <summary>
/// The arithmetic of Kubernetes' API Priority and Fairness: nominal(i) = ⌈total·share(i)/Σ⌉, lendable = round(nominal·lend), min = nominal − lendable. The
/// demand of a period gives an envelope (mean + standard deviation), and smooth = max(envelope, 0.977·smooth + 0.023·envelope): it follows growth at once
/// and forgets slowly.
/// </summary>
public static class Shares
{
    private const double Keep = 0.977;

    public static int Nominal(int total, double share, double sum) => (int)Math.Ceiling(total * share / sum - 1e-9);

    public static int Minimum(int nominal, double lend) => nominal - (int)Math.Round(nominal * lend, MidpointRounding.AwayFromZero);

    public static double Smooth(double smooth, double envelope) => Math.Max(envelope, Keep * smooth + (1 - Keep) * envelope);

    /// <summary>
    /// Max-min fair division (the "fair share" of Doorman): whoever wants less than an even part gets it all, and what it leaves is divided again.
    /// </summary>
    public static void Fair(double capacity, ReadOnlySpan<double> wants, Span<double> gets)
    {
        gets[..wants.Length].Clear();
        var left = capacity;
        var open = wants.Length;
        while (open > 0 && left > 1e-9)
        {
            var even = left / open;
            var satisfied = 0;
            for (var i = 0; i < wants.Length; i++)
            {
                if (gets[i] >= wants[i] || wants[i] - gets[i] > even)
                    continue;
                left -= wants[i] - gets[i];
                gets[i] = wants[i];
                satisfied++;
            }

            open = 0;
            for (var i = 0; i < wants.Length; i++)
                open += gets[i] < wants[i] ? 1 : 0;
            if (satisfied > 0)
                continue;

            // Nobody is satisfied by an even part: everybody left gets one.
            for (var i = 0; i < wants.Length; i++)
                gets[i] += gets[i] < wants[i] ? even : 0;
            return;
        }
    }

    /// <summary>
    /// Doorman's "proportional share": everybody gets up to an even part, and the rest is divided in proportion to what each wants beyond it.
    /// </summary>
    public static void Proportional(double capacity, ReadOnlySpan<double> wants, Span<double> gets)
    {
        var even = capacity / wants.Length;
        var (sum, extraCapacity, extraNeed) = (0.0, 0.0, 0.0);
        foreach (var want in wants)
        {
            sum += want;
            extraCapacity += Math.Max(0, even - want);
            extraNeed += Math.Max(0, want - even);
        }

        for (var i = 0; i < wants.Length; i++)
            gets[i] = sum <= capacity || wants[i] <= even ? wants[i] : even + (wants[i] - even) * (extraCapacity / extraNeed);
    }
}

/// <summary>Mean and deviation of how many seats a class wants, weighted by time, in periods of 10 s as Kubernetes adjusts.</summary>
internal struct DemandMeter
{
    private static readonly long Period = TimeSpan.FromSeconds(10).Ticks;
    private long _from;
    private long _last;
    private int _demand;
    private double _area;
    private double _squares;

    public double Smooth { get; private set; }

    public void Set(int demand, Moment now)
    {
        Integrate(now.Ticks);
        _demand = demand;
    }

    private void Integrate(long now)
    {
        if (now > _last)
        {
            double span = now - _last;
            _area += _demand * span;
            _squares += (double)_demand * _demand * span;
            _last = now;
        }

        var length = now - _from;
        if (length < Period)
            return;

        var mean = _area / length;
        var envelope = mean + Math.Sqrt(Math.Max(0, _squares / length - mean * mean));
        // A pause of several periods fades as if each had been looked at.
        var periods = Math.Min(1_000, length / Period);
        for (var i = 0L; i < periods; i++)
            Smooth = Shares.Smooth(Smooth, envelope);
        (_from, _area, _squares) = (now, 0, 0);
    }
}
