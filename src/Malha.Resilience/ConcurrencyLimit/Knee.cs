namespace Malha.Resilience;

/// <summary>
/// What the first calls show without any trial. While they come, concurrency rises from one call to the limit, and how latency rises with it tells how many
/// calls the service works on at a time: with K workers and n calls in flight an answer takes <c>max(1, (n − ½)/K)</c> times its work, and much the same where n
/// calls share K processors. For each K it is known how much the calls scatter around that line, in logarithms, since what takes longer scatters by more.
/// The largest K that does not fit significantly worse than the best one is believed: where work varies so much that any line fits, no knee is seen.
/// <para>A service that is slow in its first moments does not look like one with a knee: the calls that began first take longest.</para>
/// </summary>
internal sealed class Knee
{
    private const int InFlightAtMost = 64;
    private const int SamplesAtLeast = 8;

    /// <summary>By how much the logarithms of two likelihoods differ that are not alike by chance: one in a hundred, and several looks.</summary>
    private const double Contradicts = 4;

    /// <summary>Answers that differ by a tenth are alike.</summary>
    private const double LeastVariance = 0.01;

    private readonly int[] _counts = new int[InFlightAtMost + 1];
    private readonly double[] _sums = new double[InFlightAtMost + 1];
    private readonly double[] _logs = new double[InFlightAtMost + 1];
    private readonly double[] _squares = new double[InFlightAtMost + 1];
    private int _most;

    public int Count { get; private set; }

    public void Restart()
    {
        if (Count == 0)
            return;
        Array.Clear(_counts);
        Array.Clear(_sums);
        Array.Clear(_logs);
        Array.Clear(_squares);
        (Count, _most) = (0, 0);
    }

    /// <summary>A call that began as the <paramref name="inFlight"/>th has taken so many times what its route is believed to take when idle.</summary>
    public void Add(int inFlight, double ratio)
    {
        var log = Math.Log(ratio);
        var at = Math.Min(inFlight, InFlightAtMost);
        _counts[at]++;
        _sums[at] += ratio;
        _logs[at] += log;
        _squares[at] += log * log;
        _most = Math.Max(_most, at);
        Count++;
    }

    /// <summary>
    /// Whether latency rose with concurrency. Then: the largest number of workers that it can be, the ratio of an idle service by the most likely one, and
    /// the scatter around it.
    /// </summary>
    public bool TryFind(out int workers, out double idle, out double scatter)
    {
        (workers, idle, scatter) = (_most, 1, 1);
        if (Count < SamplesAtLeast)
            return false;

        var (best, least) = (_most, Variance(_most));
        for (var k = 1; k < _most; k++)
        {
            var variance = Variance(k);
            if (variance < least)
                (best, least) = (k, variance);
        }

        while (workers > best && Count / 2.0 * Math.Log(Variance(workers) / least) > Contradicts)
            workers--;
        idle = IdleRatio(best);
        scatter = Math.Sqrt(least);
        return workers < _most;
    }

    private static double Times(int inFlight, int workers) => Math.Max(1, (inFlight - 0.5) / workers);

    private double Variance(int workers)
    {
        var (sum, squares) = (0.0, 0.0);
        for (var n = 1; n <= _most; n++)
        {
            var times = Math.Log(Times(n, workers));
            sum += _logs[n] - _counts[n] * times;
            squares += _squares[n] - 2 * times * _logs[n] + _counts[n] * times * times;
        }

        var mean = sum / Count;
        return Math.Max(0, squares / Count - mean * mean) + LeastVariance;
    }

    private double IdleRatio(int workers)
    {
        var (taken, times) = (0.0, 0.0);
        for (var n = 1; n <= _most; n++)
            (taken, times) = (taken + _sums[n], times + _counts[n] * Times(n, workers));
        return taken / times;
    }
}
