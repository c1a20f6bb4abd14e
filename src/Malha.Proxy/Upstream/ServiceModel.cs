using Malha.Configuration;
using Malha.Proxy.Balancing;
using Malha.Resilience;

namespace Malha.Proxy.Upstream;

/// <summary>A service as the configuration in force has it. Its endpoints' state outlives it.</summary>
internal sealed class ServiceModel(ServiceConfig config, EndpointConfig[] found, EndpointState[] endpoints, ServiceState state, IEnumerable<string> clients)
{
    // By the client's index, after the one of those that are nobody's clients.
    private readonly RetryBudget[] _budgets = [state.BudgetOf("", config.RetryBudget), .. clients.Select(client => state.BudgetOf(client, config.RetryBudget))];
    private readonly Balancer _balancer = Balancer.Of(
        config.Balance, [.. endpoints.Select(endpoint => endpoint.Load)], [.. endpoints.Select((endpoint, index) => new RingMember(endpoint.Name, found[index].Weight))]);
    private readonly AffinityModel? _affinity = config.HashOn is { } key ? new AffinityModel(key) : null;

    public ServiceConfig Config { get; } = config;

    public ServiceState State { get; } = state;

    public ServiceRules Rules { get; } = new(config);

    public EndpointState[] Endpoints { get; } = endpoints;

    /// <summary>What the configuration in force, and DNS, say of each of them.</summary>
    public EndpointConfig[] Found { get; } = found;

    /// <summary>What retries are paid from: each caller has a budget of its own.</summary>
    public RetryBudget BudgetOf(Exchange exchange) => _budgets[exchange.Caller.Client is { } client ? client.Index + 1 : 0];

    /// <summary>An endpoint for the next attempt whose breaker lets it pass; those that the exchange has tried come last. Null when there is none.</summary>
    /// <param name="exchange">Learns which one is tried.</param>
    /// <param name="nowMs">Now on the wheel.</param>
    /// <param name="now">Now for the policies.</param>
    /// <param name="breaker">The permit, or why the last one asked has none.</param>
    public EndpointState? Choose(Exchange exchange, long nowMs, Moment now, out BreakerDecision breaker)
    {
        breaker = new BreakerDecision { Allowed = true };
        var passed = exchange.Tried;
        var refused = default(TriedEndpoints);
        var key = KeyOf(exchange);
        for (var asked = 0; asked < Endpoints.Length; asked++)
        {
            var index = _balancer.Choose(nowMs, ref exchange.Random, passed, key);
            if (index == Balancer.None || refused.Contains(index))
                return null;
            var endpoint = Endpoints[index];
            if (endpoint.Breaker is { } guard)
                breaker = guard.TryAcquire(now);
            if (breaker.Allowed)
            {
                if (breaker.WouldRefuse)
                    endpoint.Metrics.WouldHaveRefused();
                exchange.Tried = exchange.Tried.With(index);
                return endpoint;
            }
            refused = refused.With(index);
            passed = passed.With(index);
        }
        return null;
    }

    /// <summary>An endpoint for what nobody waits for: the first choice, or none.</summary>
    /// <param name="random">The caller's own source.</param>
    /// <param name="nowMs">Now on the wheel.</param>
    /// <param name="now">Now for the policies.</param>
    /// <param name="permit">The leave of the endpoint's breaker, which is to be told what came of it.</param>
    public EndpointState? ChooseAside(ref Xorshift random, long nowMs, Moment now, out BreakerPermit permit)
    {
        permit = default;
        if (State.Health is { IsUnhealthy: true })
            return null;
        var index = _balancer.Choose(nowMs, ref random, key: random.NextBits());
        if (index == Balancer.None)
            return null;
        var endpoint = Endpoints[index];
        if (endpoint.Breaker is { } guard)
        {
            var breaker = guard.TryAcquire(now);
            if (!breaker.Allowed)
                return null;
            permit = breaker.Permit;
        }
        return endpoint;
    }

    // A request without the key goes anywhere.
    private ulong KeyOf(Exchange exchange) =>
        _affinity is null ? 0 : _affinity.TryHash(exchange, AffinitySpace.Endpoint, out var hash) ? hash : exchange.Random.NextBits();

    /// <summary>Why no endpoint could be chosen.</summary>
    public Refusal WhyNobody(Moment now)
    {
        if (State.Health is { IsUnhealthy: true } health)
            return health.Refuse(now);
        if (Endpoints.Length == 0 && Config.Endpoints.Count > 0)
            return new Refusal(RefusalKind.NoEndpoint, Rule: Config.Source.Path + ".endpoints", Detail: $"DNS has given no address yet for {Config.Endpoints[0].Text}");
        if (!Array.Exists(Endpoints, static endpoint => endpoint.IsDraining))
            return new Refusal(RefusalKind.NoEndpoint);
        var isWhole = Array.TrueForAll(Endpoints, static endpoint => endpoint.IsDraining);
        return new Refusal(
            RefusalKind.NoEndpoint, Rule: "malha drain", Detail: isWhole ? "all endpoints of the service are draining" : "the endpoints of the service that could be used are draining");
    }
}
