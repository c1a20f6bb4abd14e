using Malha.Lab.Scenarios;
using Malha.Lab.Simulation;
using Malha.Resilience;

namespace Malha.Lab.Domino;

/// <summary>
/// A shop front, an order service and a payment service in a row. Half of the front's pages need the front alone, a quarter orders too, a quarter payments
/// as well. Payments, and nothing else, becomes forty times slower for 30 s.
/// </summary>
internal sealed class DominoRun
{
    public const int SlowAt = 30;
    public const int SlowSeconds = 30;
    public const int End = 120;
    private const double Slowness = 40;
    private const int Workers = 32;
    private const int PaymentWorkers = 16;
    private const double FrontRate = 100;
    private const double OrdersRate = 50;
    private const double PaymentsRate = 50;

    /// <summary>What people wait for a page.</summary>
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(2);

    // As a file would say it: the nearer to the end of the row, the less time; a breaker where it is known what is slow; everything else as it comes.
    private static readonly TimeSpan OrdersTimeout = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan PaymentsTimeout = TimeSpan.FromMilliseconds(500);
    private static readonly BreakerOptions PaymentsBreaker = new() { SlowOver = TimeSpan.FromMilliseconds(250) };

    /// <summary>A client library's timeout, where somebody thought of one: .NET's own is 100 s.</summary>
    private static readonly TimeSpan NaiveTimeout = TimeSpan.FromSeconds(30);

    private readonly VirtualTime _time = new();
    private readonly Tier _front;
    private readonly Tier _orders;
    private readonly Tier _payments;
    private readonly Gateway[] _gateways;
    /// <summary>By service and by how far a page goes: each limit knows each of its routes.</summary>
    private readonly RouteBaseline[][] _routes = [[new(), new(), new()], [new(), new(), new()], [new(), new(), new()]];
    private readonly bool _protected;

    private DominoRun(Arm arm, ulong seed)
    {
        var chance = new Chance(seed);
        _protected = arm == Arm.Malha;
        _front = new Tier(_time, Workers, Work(chance.Fork(), 5));
        _orders = new Tier(_time, Workers, Work(chance.Fork(), 10));
        _payments = new Tier(_time, PaymentWorkers, Work(chance.Fork(), 50))
        {
            Slowness = () => _time.Seconds is >= SlowAt and < SlowAt + SlowSeconds ? Slowness : 1,
        };
        _gateways = [Sidecar(Patience, null, chance.Fork()), Sidecar(OrdersTimeout, null, chance.Fork()), Sidecar(PaymentsTimeout, PaymentsBreaker, chance.Fork())];
        _time.Arrivals(chance.Fork(), _ => FrontRate, End, () => Page(FrontPages, 0));
        _time.Arrivals(chance.Fork(), _ => OrdersRate, End, () => Page(OrderPages, 1));
        _time.Arrivals(chance.Fork(), _ => PaymentsRate, End, () => Page(PaymentPages, 2));
        var busy = new double[End];
        for (var second = 0; second < End; second++)
        {
            var at = second;
            _time.AtSecond(second + .5, () => busy[at] = _front.Busy);
        }

        FrontBusy = busy;
        _time.RunUntil(End + 5);
    }

    public Tally FrontPages { get; } = new(End);

    public Tally OrderPages { get; } = new(End);

    public Tally PaymentPages { get; } = new(End);

    /// <summary>The front's workers that are held, in the middle of each second.</summary>
    public IReadOnlyList<double> FrontBusy { get; }

    public static DominoRun Run(Arm arm, ulong seed) => new(arm, seed);

    /// <summary>Seconds from the end of the trouble until nine tenths of all pages are good, five seconds in a row.</summary>
    public double Recovery()
    {
        var all = new Tally(End);
        for (var second = 0; second < End; second++)
        {
            foreach (var tally in (Tally[])[FrontPages, OrderPages, PaymentPages])
            {
                all.Asked[second] += tally.Asked[second];
                all.Good[second] += tally.Good[second];
            }
        }

        return all.RecoveryAfter(SlowAt + SlowSeconds, .9);
    }

    private static Func<TimeSpan> Work(Chance chance, double ms) => () => chance.Exponential(TimeSpan.FromMilliseconds(ms));

    private Gateway Sidecar(TimeSpan timeout, BreakerOptions? breaker, Chance chance) => new(
        _time,
        new GatewaySetup { Retry = new RetryOptions { Attempts = 1 }, Breaker = breaker, Deadline = new DeadlineOptions { Timeout = timeout } },
        chance);

    private void Page(Tally tally, int depth)
    {
        var askedAt = _time.Seconds;
        var deadline = Deadline.After(_time.Now, Patience);
        var left = false;
        tally.Ask(askedAt);
        _time.Schedule(deadline.At, () => left = true);
        Hop(0, depth, deadline)(outcome =>
        {
            if (outcome == OutcomeKind.Success && !left)
                tally.Succeed(askedAt, _time.Now);
        });
    }

    /// <summary>One call from the service before to the one at <paramref name="at"/>, which asks on if the page needs more.</summary>
    private Action<Answered> Hop(int at, int depth, Deadline deadline)
    {
        var tier = at switch { 0 => _front, 1 => _orders, _ => _payments };
        Action<Answered>? below = null;
        if (at < depth)
            below = answer => Hop(at + 1, depth, deadline)(answer);
        Action<Answered> send = answer => tier.Call(below, answer);
        if (_protected)
            return answer => _gateways[at].Ask(send, outcome => answer(outcome), route: _routes[at][depth], caller: deadline);
        return answer => new BlindCaller(_time, new Tally(End), send, NaiveTimeout, 0).Ask(answer);
    }
}
