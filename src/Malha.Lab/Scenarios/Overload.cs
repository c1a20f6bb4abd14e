using Malha.Lab.Simulation;
using Malha.Resilience;

namespace Malha.Lab.Scenarios;

/// <summary>
/// A service with a hidden capacity that nobody told, behind the adaptive limit: how much of what could be served is, and how long the admitted take.
/// Clients ask once and wait for twenty times the mean work.
/// </summary>
internal sealed record Overload
{
    public int Workers { get; init; } = 10;

    public double WorkMs { get; init; } = 50;

    public bool Exponential { get; init; }

    /// <summary>Offered load, in multiples of the capacity.</summary>
    public double Load { get; init; } = 5;

    /// <summary>The same, where it changes.</summary>
    public Func<double, double>? LoadAt { get; init; }

    public double Seconds { get; init; } = 30;

    public double Capacity => Workers * 1000 / WorkMs;

    /// <summary>2 s or 200 requests of the capacity, whichever is longer.</summary>
    public double Settling => Math.Ceiling(Math.Max(2, 200 / Capacity));

    /// <summary>Workers at a time, if they change.</summary>
    public Func<double, int>? WorkersAt { get; init; }

    public (Tally Tally, Gateway Gateway) Run(ulong seed, Action<VirtualTime, Gateway>? watch = null)
    {
        var time = new VirtualTime();
        var chance = new Chance(seed);
        var work = chance.Fork();
        var mean = TimeSpan.FromMilliseconds(WorkMs);
        var service = new SimulatedService(time, Workers, () => Exponential ? work.Exponential(mean) : mean);
        if (WorkersAt is { } at)
            service.Workers = () => at(time.Seconds);
        var tally = new Tally((int)Seconds + 1);
        var gateway = new Gateway(time, new GatewaySetup { Retry = new RetryOptions { Attempts = 1 } }, chance.Fork());
        time.Arrivals(chance.Fork(), now => (LoadAt?.Invoke(now) ?? Load) * Capacity, Seconds, () => WaitingClient.Ask(time, tally, gateway, service.Call, mean * 20, 0));
        watch?.Invoke(time, gateway);
        time.RunUntil(Seconds + 2);
        return (tally, gateway);
    }
}

/// <summary>A client outside the gateway: it waits so long, then leaves and perhaps asks again.</summary>
internal static class WaitingClient
{
    public static void Ask(VirtualTime time, Tally tally, Gateway gateway, Action<Answered> send, TimeSpan wait, int retries, int shareClass = 0, RouteBaseline? route = null)
    {
        var askedAt = time.Seconds;
        tally.Ask(askedAt);
        Try(0);

        void Try(int attempt)
        {
            tally.Attempt(time.Seconds);
            VirtualTime.Event? timer = null;
            var call = gateway.Ask(send, outcome =>
            {
                timer?.Cancel();
                if (outcome == OutcomeKind.Success)
                    tally.Succeed(askedAt, time.Now);
                else if (attempt < retries)
                    time.After(TimeSpan.FromMilliseconds(1), () => Try(attempt + 1));
                else
                    tally.Refuse(askedAt, time.Now);
            }, shareClass, route);
            if (call.Done)
                return;
            timer = time.After(wait, () =>
            {
                gateway.Leave(call);
                if (attempt < retries)
                    Try(attempt + 1);
            });
        }
    }
}
