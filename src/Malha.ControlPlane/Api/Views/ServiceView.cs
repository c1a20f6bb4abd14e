using Malha.Configuration;
using Malha.Proxy.Telemetry;
using Malha.Proxy.Upstream;
using Malha.Resilience;

namespace Malha.ControlPlane.Api.Views;

/// <summary>A service and what it bears now.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Balance">How endpoints are chosen.</param>
/// <param name="HashOn">What requests have in common that go to the same endpoint; null when it goes by the load.</param>
/// <param name="Endpoints">How many it has.</param>
/// <param name="Draining">How many of them run empty, and get nothing new.</param>
/// <param name="BreakersOpen">How many of them have a breaker that lets nothing pass.</param>
/// <param name="InFlight">Attempts under way, at all endpoints.</param>
/// <param name="Streams">Upgraded connections and event streams under way.</param>
/// <param name="MaxStreams">The most of them.</param>
/// <param name="TimeoutMs">From a request's arrival to the final response head.</param>
/// <param name="AttemptTimeoutMs">The same for one attempt; null: what is left of the whole.</param>
/// <param name="ConnectTimeoutMs">For a new connection, TLS included.</param>
/// <param name="IdleTimeoutMs">The longest silence after the response head.</param>
/// <param name="MaxDurationMs">The longest that an exchange may last; null: no limit.</param>
/// <param name="MaxBodyBytes">The largest request body; null: no limit.</param>
/// <param name="MaxConnections">The most connections to each endpoint.</param>
/// <param name="MaxPending">The most requests that wait for a connection to each endpoint.</param>
/// <param name="Attempts">What its endpoints were asked.</param>
/// <param name="Health">How it is; null when it has one endpoint, and nobody checks it.</param>
public sealed record ServiceView(
    string Name, string Balance, string? HashOn, int Endpoints, int Draining, int BreakersOpen, int InFlight, int Streams, int MaxStreams, double TimeoutMs, double? AttemptTimeoutMs, double ConnectTimeoutMs,
    double IdleTimeoutMs, double? MaxDurationMs, long? MaxBodyBytes, int MaxConnections, int MaxPending, TrafficView Attempts, ServiceHealthView? Health)
{
    internal static ServiceView Of(ServiceModel service, Moment now)
    {
        var config = service.Config;
        return new ServiceView(
            config.Name,
            config.Balance switch { BalanceKind.RoundRobin => "round-robin", BalanceKind.ConsistentHash => "consistent-hash", _ => "least-loaded" },
            config.HashOn?.ToString(),
            service.Endpoints.Length,
            service.Endpoints.Count(endpoint => endpoint.IsDraining),
            service.Endpoints.Count(endpoint => endpoint.Breaker is { } breaker && BreakerNames.Effective(breaker.Snapshot(now)) == BreakerState.Open),
            service.Endpoints.Sum(endpoint => endpoint.InFlight),
            service.State.Streams,
            config.MaxStreams,
            config.Timeout.TotalMilliseconds,
            config.AttemptTimeout?.TotalMilliseconds,
            config.ConnectTimeout.TotalMilliseconds,
            config.IdleTimeout.TotalMilliseconds,
            config.MaxDuration?.TotalMilliseconds,
            config.MaxBody,
            config.MaxConnections,
            config.MaxPending,
            TrafficView.Of(service.Endpoints.Select(endpoint => endpoint.Metrics.Attempts)),
            ServiceHealthView.Of(service));
    }
}

/// <summary>One address of a service.</summary>
/// <param name="Url">Scheme, host and port.</param>
/// <param name="FoundUnder">The name under which DNS has given it; null when the file says it.</param>
/// <param name="Weight">Its share of the traffic relative to the others'.</param>
/// <param name="Draining">Whether it runs empty, and gets nothing new.</param>
/// <param name="Breaker">What calls meet: `closed`, `open`, `half-open` or `ramping`; null when it has no breaker.</param>
/// <param name="InFlight">Attempts under way.</param>
/// <param name="Pending">Requests that wait for a connection.</param>
/// <param name="OpenConnections">Connections, idle ones and those being opened included.</param>
/// <param name="ConnectingConnections">Connections that are being opened.</param>
/// <param name="Connects">Connections opened since the start.</param>
/// <param name="ConnectFailures">Connections that could not be opened: refused, too slow or not trusted.</param>
/// <param name="Retries">Attempts that repeated an earlier one.</param>
/// <param name="Attempts">What it was asked.</param>
/// <param name="Health">How it is.</param>
public sealed record EndpointView(
    string Url, string? FoundUnder, int Weight, bool Draining, string? Breaker, int InFlight, int Pending, int OpenConnections, int ConnectingConnections, long Connects, long ConnectFailures, long Retries,
    TrafficView Attempts, EndpointHealthView Health)
{
    internal static EndpointView Of(ServiceModel service, EndpointState endpoint, Moment now)
    {
        var metrics = endpoint.Metrics;
        return new EndpointView(
            endpoint.Name,
            endpoint.Config.FoundUnder,
            (int)endpoint.Load.FullWeight,
            endpoint.IsDraining,
            endpoint.Breaker is { } breaker ? BreakerNames.Of(BreakerNames.Effective(breaker.Snapshot(now))) : null,
            endpoint.InFlight,
            endpoint.Pending,
            endpoint.Open,
            metrics.Connecting,
            metrics.Connects(ConnectOutcome.Connected),
            metrics.Connects(ConnectOutcome.Refused) + metrics.Connects(ConnectOutcome.TimedOut) + metrics.Connects(ConnectOutcome.Untrusted),
            metrics.Retries,
            TrafficView.Of([metrics.Attempts]),
            EndpointHealthView.Of(service, endpoint, now));
    }
}
