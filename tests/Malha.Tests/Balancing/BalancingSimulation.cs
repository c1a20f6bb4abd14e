using Malha.Proxy.Balancing;

namespace Malha.Tests.Balancing;

/// <summary>An endpoint's behaviour: how long a call takes, and whether it succeeds, at a time.</summary>
internal delegate (double LatencyMs, bool Success) Behaviour(double nowMs, ref Xorshift random);

/// <summary>Calls that arrive at random (Poisson) at a service, and the choices that a balancer makes for them. All in virtual time and from one seed.</summary>
internal sealed class BalancingSimulation
{
    private readonly PriorityQueue<(int Endpoint, double Latency, bool Success), double> _ends = new();
    private readonly Balancer _balancer;
    private readonly Behaviour[] _behaviours;
    private Xorshift _random;

    public BalancingSimulation(Func<EndpointLoad[], Balancer> balancer, Behaviour[] behaviours, ulong seed = 7, float[]? weights = null)
    {
        _behaviours = behaviours;
        _random = new Xorshift(seed);
        Loads = [.. behaviours.Select((_, place) => new EndpointLoad(weights?[place] ?? 1))];
        _balancer = balancer(Loads);
        Calls = new int[behaviours.Length];
    }

    public EndpointLoad[] Loads { get; }

    /// <summary>Calls since the last <see cref="Forget"/>, by endpoint.</summary>
    public int[] Calls { get; private set; }

    public int MostInFlight { get; private set; }

    public double NowMs { get; set; } = 1_000;

    public double Share(int endpoint) => (double)Calls[endpoint] / Calls.Sum();

    public void Forget()
    {
        Calls = new int[Calls.Length];
        MostInFlight = 0;
    }

    /// <summary>A latency that is distributed exponentially around its mean.</summary>
    public static Behaviour Around(double meanMs) => (double _, ref Xorshift random) => (-Math.Log(1 - random.NextDouble()) * meanMs, true);

    public void Run(double perSecond, double seconds)
    {
        for (var until = NowMs + (seconds * 1_000); ;)
        {
            NowMs += -Math.Log(1 - _random.NextDouble()) * 1_000 / perSecond;
            End(NowMs);
            if (NowMs >= until)
                return;
            Call();
        }
    }

    /// <summary>Begins calls at one moment.</summary>
    public void Burst(int calls)
    {
        for (var call = 0; call < calls; call++)
            Call();
    }

    private void Call()
    {
        var endpoint = _balancer.Choose((long)NowMs, ref _random);
        Loads[endpoint].Started();
        Calls[endpoint]++;
        MostInFlight = Math.Max(MostInFlight, Loads[endpoint].InFlight);
        var (latency, success) = _behaviours[endpoint](NowMs, ref _random);
        _ends.Enqueue((endpoint, latency, success), NowMs + latency);
    }

    private void End(double untilMs)
    {
        while (_ends.TryPeek(out var ended, out var atMs) && atMs <= untilMs)
        {
            _ends.Dequeue();
            var latency = TimeSpan.FromMilliseconds(ended.Latency);
            if (ended.Success)
                Loads[ended.Endpoint].Answered((long)atMs, latency);
            else
                Loads[ended.Endpoint].Failed((long)atMs, latency);
            Loads[ended.Endpoint].Finished();
        }
    }
}
