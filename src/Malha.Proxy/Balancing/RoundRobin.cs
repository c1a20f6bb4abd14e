namespace Malha.Proxy.Balancing;

/// <summary>
/// One after the other, each as often as its weight says and as evenly spread as it goes (nginx's smooth weighted round robin): every endpoint
/// gains its weight, the one that has most is chosen and pays the sum. What is left out now neither gains nor pays, and what an
/// endpoint that is out of use missed does not pile up on its neighbour.
/// </summary>
internal sealed class RoundRobin(EndpointLoad[] endpoints) : Balancer(endpoints)
{
    private readonly double[] _credit = new double[endpoints.Length];
    private readonly Lock _lock = new();

    protected override int Pick(long nowMs, ref Xorshift random, TriedEndpoints tried, ulong key)
    {
        lock (_lock)
        {
            var sum = 0.0;
            var best = None;
            for (var index = 0; index < _credit.Length; index++)
            {
                var weight = Endpoints[index].Weight;
                if (weight <= 0 || tried.Contains(index))
                    continue;
                _credit[index] += weight;
                sum += weight;
                if (best == None || _credit[index] > _credit[best])
                    best = index;
            }
            if (best != None)
                _credit[best] -= sum;
            return best;
        }
    }
}
