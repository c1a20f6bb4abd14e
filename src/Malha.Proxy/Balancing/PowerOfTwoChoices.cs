namespace Malha.Proxy.Balancing;

/// <summary>
/// Two endpoints are drawn by their weights, and the one where a success costs less is preferred (Mitzenmacher's two choices, with Finagle's peak EWMA as
/// the load).
/// </summary>
/// <remarks>
/// The cost is the time until this call would have succeeded: latency × (calls in flight, relative to the weight, + 1) ÷ share of successes. An endpoint
/// that fails fast is therefore not a fast one. While one of the two latencies is not known, both are left out: a new endpoint then
/// gets as many calls as the other has, not all there are. Costs that differ little are decided nearly by the toss of a coin and those that differ by
/// much nearly always for the lesser one: the chance of each is as the fourth power of the other's cost. Averages are noise when endpoints are
/// alike, and following it to the letter would herd all callers to one. Of few endpoints the light ones are drawn too often, of two always; the weights
/// are therefore odds in the comparison too, with the power 1/(n - 1), which at equal costs gives each its share within a few percent for any n.
/// </remarks>
internal sealed class PowerOfTwoChoices : Balancer
{
    /// <summary>With fewer endpoints, going through all of them is as cheap as drawing at random until one fits.</summary>
    private const int FewEndpoints = 8;

    private const int Draws = 8;

    /// <summary>An endpoint that only fails costs a hundred times as much.</summary>
    private const float LeastSuccess = 0.01f;

    /// <summary>For one that lost its weight after it was drawn.</summary>
    private const float LeastWeight = 1e-6f;

    private readonly float _mostWeight;

    public PowerOfTwoChoices(EndpointLoad[] endpoints)
        : base(endpoints)
    {
        foreach (var endpoint in endpoints)
            _mostWeight = Math.Max(_mostWeight, endpoint.FullWeight);
    }

    protected override int Pick(long nowMs, ref Xorshift random, TriedEndpoints tried, ulong key)
    {
        var first = Draw(ref random, tried, None);
        if (first == None)
            return None;
        var second = Draw(ref random, tried, first);
        return second == None || Prefers(Endpoints[first], Endpoints[second], nowMs, random.NextDouble()) ? first : second;
    }

    private bool Prefers(EndpointLoad first, EndpointLoad second, long nowMs, double chance)
    {
        var bothKnown = first.TryGetLatency(nowMs, out var firstMs) & second.TryGetLatency(nowMs, out var secondMs);
        var firstWeight = Math.Max(first.Weight, LeastWeight);
        var secondWeight = Math.Max(second.Weight, LeastWeight);
        // The larger one may have more calls in flight, as much more as it is larger.
        var mean = (firstWeight + secondWeight) / 2;
        var firstCost = (bothKnown ? firstMs : 1) * Calls(first, mean / firstWeight, nowMs);
        var secondCost = (bothKnown ? secondMs : 1) * Calls(second, mean / secondWeight, nowMs);
        var ratio = firstCost / secondCost;
        ratio *= ratio;
        var odds = firstWeight == secondWeight ? 1 : Math.Pow(firstWeight / secondWeight, 1.0 / (Endpoints.Length - 1));
        return chance * (odds + (ratio * ratio)) < odds;
    }

    // How many calls must end before this one has succeeded.
    private static double Calls(EndpointLoad endpoint, float scale, long nowMs) =>
        ((Math.Max(0, endpoint.InFlight) * scale) + 1) / Math.Max(1 - endpoint.FailureShare(nowMs), LeastSuccess);

    // An endpoint other than the one given, with a chance as its weight.
    private int Draw(ref Xorshift random, TriedEndpoints tried, int except)
    {
        var endpoints = Endpoints;
        for (var draw = 0; draw < Draws && endpoints.Length > FewEndpoints; draw++)
        {
            var index = random.Next(endpoints.Length);
            var weight = endpoints[index].Weight;
            if (index != except && weight > 0 && !tried.Contains(index) && (weight >= _mostWeight || random.NextDouble() * _mostWeight < weight))
                return index;
        }
        return DrawFromAll(ref random, tried, except);
    }

    private int DrawFromAll(ref Xorshift random, TriedEndpoints tried, int except)
    {
        var endpoints = Endpoints;
        var sum = 0.0;
        for (var index = 0; index < endpoints.Length; index++)
            sum += index == except || tried.Contains(index) ? 0 : endpoints[index].Weight;

        var place = random.NextDouble() * sum;
        var last = None;
        for (var index = 0; index < endpoints.Length; index++)
        {
            var weight = endpoints[index].Weight;
            if (index == except || tried.Contains(index) || weight <= 0)
                continue;
            // Rounding, or a weight that has just changed, may carry the place past the end.
            last = index;
            place -= weight;
            if (place < 0)
                break;
        }
        return last;
    }
}
