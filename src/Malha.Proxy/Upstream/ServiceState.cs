using System.Collections.Concurrent;
using Malha.Configuration;
using Malha.Proxy.Admission;
using Malha.Proxy.Health;
using Malha.Proxy.Http1;
using Malha.Proxy.Identity;
using Malha.Proxy.Mirroring;
using Malha.Resilience;

namespace Malha.Proxy.Upstream;

/// <summary>What a service keeps from one configuration to the next.</summary>
internal sealed class ServiceState
{
    private readonly ConcurrentDictionary<string, RouteBaseline> _baselines = new(StringComparer.Ordinal);
    private readonly ConcurrentDictionary<string, RetryBudget> _budgets = new(StringComparer.Ordinal);
    private readonly ConcurrentDictionary<string, Hedging> _hedges = new(StringComparer.Ordinal);
    private readonly ConcurrentDictionary<string, MirrorState> _mirrors = new(StringComparer.Ordinal);
    private readonly GatewayRuntime _runtime;
    private ServiceAdmission? _admission;
    private int _streams;
    private ServiceHealth? _health;

    /// <summary>How many pay from each retry budget's floor: each has an even part of it.</summary>
    private int _gateways = 1;

    public ServiceState(GatewayRuntime runtime)
    {
        _runtime = runtime;
        Throttle = new ServiceThrottle(runtime);
    }

    /// <summary>Keeps back what the service would send away.</summary>
    public ServiceThrottle Throttle { get; }

    /// <summary>Null when the service has neither a capacity nor a limit.</summary>
    public ServiceAdmission? Admission => Volatile.Read(ref _admission);

    /// <summary>What is known of its endpoints' health; null when it has one endpoint, and nobody checks it.</summary>
    public ServiceHealth? Health
    {
        get => Volatile.Read(ref _health);
        set => Volatile.Write(ref _health, value);
    }

    /// <summary>New settings, in place: what the policies have learned stays.</summary>
    public void Update(ServiceConfig config, ClassModel[] classes, Moment now)
    {
        var admission = ServiceAdmission.OptionsOf(config, classes);
        if (admission is not null && _admission is not null)
            _admission.Controller.Update(admission, now);
        else
            Volatile.Write(ref _admission, admission is null ? null : new ServiceAdmission(admission, _runtime));

        Throttle.Update(config.Throttle, now);
        UpdateBudgets(config.RetryBudget, now);
    }

    /// <summary>So many gateways use the service.</summary>
    public void Share(int gateways, RetryBudgetOptions budget, Moment now)
    {
        if (_gateways == gateways)
            return;
        _gateways = gateways;
        UpdateBudgets(budget, now);
    }

    /// <summary>Drops what it knows of routes and clients that are no longer there. Exchanges under way end with what they have.</summary>
    public void KeepOnly(IReadOnlySet<string> routes, IReadOnlySet<string> clients)
    {
        Keep(_baselines, routes);
        Keep(_hedges, routes);
        Keep(_mirrors, routes);
        Keep(_budgets, clients);
    }

    /// <summary>What answers on a route usually take.</summary>
    public RouteBaseline BaselineOf(string route) => _baselines.GetOrAdd(route, static _ => new RouteBaseline());

    /// <summary>What is known of a route's answers for hedging.</summary>
    public Hedging HedgeOf(string route, HedgingOptions options) => _hedges.GetOrAdd(route, static (_, options) => new Hedging(options), options);

    /// <summary>The copies of a route's requests that it gets.</summary>
    public MirrorState MirrorOf(string route) => _mirrors.GetOrAdd(route, static _ => new MirrorState());

    /// <summary>The routes of which it gets copies.</summary>
    public IEnumerable<KeyValuePair<string, MirrorState>> Mirrors => _mirrors;

    /// <summary>What a caller pays retries from; empty for those that are nobody's clients.</summary>
    public RetryBudget BudgetOf(string client, RetryBudgetOptions options) =>
        _budgets.TryGetValue(client, out var budget) ? budget : _budgets.GetOrAdd(client, new RetryBudget(PartOf(options)));

    /// <summary>Whether a failed attempt is made again, and after how long.</summary>
    public RetryDecision DecideRetry(RetryPolicy retry, Exchange exchange, in AttemptResult result, Moment now)
    {
        var request = exchange.Request;
        var facts = new AttemptFacts
        {
            Outcome = result.Outcome,
            Idempotent = request.MayRunTwice,
            FirstByteSent = result.Outcome != OutcomeKind.ConnectionFailure,
            AnswerStarted = exchange.Response.HeadSent,
            RetriedAbove = exchange.Caller.InboundAttempt > 1,
            BodyReplayable = exchange.Body.IsComplete && exchange.Body.CanReplay && !exchange.HasUpload,
        };
        var question = new RetryQuestion
        {
            AttemptsMade = exchange.Attempts,
            Retryability = Retryabilities.Judge(facts),
            RetryAfter = result.RetryAfter,
            Deadline = exchange.PolicyDeadline,
            TypicalLatency = Admission?.Controller.TypicalLatency ?? default,
            PreviousDelay = exchange.PreviousDelay,
        };
        return retry.Decide(question, exchange.Service!.BudgetOf(exchange), now);
    }

    /// <summary>Long exchanges under way: upgraded connections and event streams.</summary>
    public int Streams => Volatile.Read(ref _streams);

    /// <summary>Counts the exchange if its answer's head makes it a long one. Dispose the result when it ends.</summary>
    public Stream EnterStream(Exchange exchange, ResponseHead head, out bool tooMany)
    {
        tooMany = false;
        // Of gRPC's streams those are told at the head whose client still sends.
        if (head.Status != 101 && !IsEventStream(head) && !(exchange.IsGrpc && !exchange.IsSent))
            return default;
        if (Interlocked.Increment(ref _streams) <= exchange.Service!.Config.MaxStreams)
            return new Stream(this);
        Interlocked.Decrement(ref _streams);
        tooMany = true;
        return default;
    }

    private static void Keep<T>(ConcurrentDictionary<string, T> states, IReadOnlySet<string> names)
    {
        foreach (var name in states.Keys)
        {
            if (!names.Contains(name))
                states.TryRemove(name, out _);
        }
    }

    private static bool IsEventStream(ResponseHead head)
    {
        if (!head.Has(KnownHeader.ContentType))
            return false;
        var type = head.Value(KnownHeader.ContentType);
        var expected = "text/event-stream"u8;
        return type.Length >= expected.Length && HttpSyntax.EqualsIgnoreCase(type[..expected.Length], expected);
    }

    /// <summary>A place among the long exchanges; empty for a short one.</summary>
    internal readonly struct Stream(ServiceState? owner) : IDisposable
    {
        public void Dispose()
        {
            if (owner is not null)
                Interlocked.Decrement(ref owner._streams);
        }
    }

    // What first attempts earn is each gateway's own anyhow.
    private RetryBudgetOptions PartOf(RetryBudgetOptions options) => _gateways > 1 ? options with { FloorPerSecond = options.FloorPerSecond / _gateways } : options;

    private void UpdateBudgets(RetryBudgetOptions options, Moment now)
    {
        foreach (var budget in _budgets.Values)
            budget.Update(PartOf(options), now);
    }
}
