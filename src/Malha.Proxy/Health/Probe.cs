using System.Net.Security;
using Malha.Configuration;
using Malha.Proxy.Health.Probes;
using Malha.Proxy.Tls;

namespace Malha.Proxy.Health;

/// <summary>
/// One way to check an endpoint, over connections of its own, which are closed when the check ends: a server that takes no new connection is not
/// healthy, whatever its old ones do. A probe is used by one caller at a time.
/// </summary>
internal abstract class Probe
{
    /// <summary>What is being checked, such as <c>GET /health</c>.</summary>
    public abstract string What { get; }

    /// <summary>Makes the probe that the configuration asks for. Reads certificates, and loads the client library that it needs.</summary>
    public static Probe Of(ServiceConfig service, EndpointConfig endpoint, TimeProvider time)
    {
        var health = service.Health!;
        if (endpoint.Url.Scheme == "postgres")
            return new PostgresProbe(endpoint, service.Tls, health, time);
        if (endpoint.IsStore)
            return new RedisProbe(endpoint, service.Tls, health, time);
        if (health.Grpc is not null)
            return new GrpcProbe(endpoint, Dialer(service, endpoint, SslApplicationProtocol.Http2), health, time);
        if (health.Tcp)
            return new TcpProbe(Dialer(service, endpoint), health, time);
        var steps = health.Path is null ? health.Steps : [new HealthStepConfig { Path = health.Path, Expect = health.Expect }];
        return new HttpProbe(endpoint, Dialer(service, endpoint, SslApplicationProtocol.Http11), steps, time);
    }

    /// <summary>Checks once. Throws <see cref="OperationCanceledException"/> when it is cancelled, which is also how its time ends.</summary>
    public abstract ValueTask<ProbeReport> RunAsync(CancellationToken cancellation);

    /// <summary>A check that has passed but for the time that it took.</summary>
    protected ProbeReport InTime(TimeSpan took, TimeSpan? within, ProbeReport report) =>
        within is { } limit && took > limit ? ProbeReport.Failed(Late(What, took, limit), []) : report;

    protected static string Late(string what, TimeSpan took, TimeSpan limit) => $"{what}: took {took.TotalMilliseconds:0} ms, expected within {limit.TotalMilliseconds:0} ms";

    private static ProbeDialer Dialer(ServiceConfig service, EndpointConfig endpoint, params SslApplicationProtocol[] protocols) =>
        new(endpoint, endpoint.IsTls ? UpstreamTls.Options(endpoint, service.Tls, protocols) : null);
}
