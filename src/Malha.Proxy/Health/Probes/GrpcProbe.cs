using Grpc.Core;
using Grpc.Health.V1;
using Grpc.Net.Client;
using Malha.Configuration;

namespace Malha.Proxy.Health.Probes;

/// <summary>The standard gRPC health protocol: <c>grpc.health.v1.Health/Check</c> must answer SERVING.</summary>
internal sealed class GrpcProbe(EndpointConfig endpoint, ProbeDialer dialer, HealthConfig health, TimeProvider time) : Probe
{
    private readonly string _name = health.Grpc!;

    public override string What => _name.Length == 0 ? "grpc.health.v1" : $"grpc.health.v1 of {_name}";

    public override async ValueTask<ProbeReport> RunAsync(CancellationToken cancellation)
    {
        var started = time.GetTimestamp();
        var options = new GrpcChannelOptions { HttpHandler = dialer.Handler(), DisposeHttpClient = true, MaxReceiveMessageSize = HttpProbe.MaxBody };
        using var channel = GrpcChannel.ForAddress(endpoint.Url, options);
        try
        {
            var reply = await new Grpc.Health.V1.Health.HealthClient(channel).CheckAsync(new HealthCheckRequest { Service = _name }, cancellationToken: cancellation);
            return reply.Status == HealthCheckResponse.Types.ServingStatus.Serving
                ? InTime(time.GetElapsedTime(started), health.Expect.Within, ProbeReport.Good)
                : ProbeReport.Failed($"{What}: {NameOf(reply.Status)}, expected SERVING", []);
        }
        catch (RpcException exception)
        {
            cancellation.ThrowIfCancellationRequested();
            return exception.StatusCode switch
            {
                StatusCode.Unimplemented => ProbeReport.Failed($"{What}: the server does not have the gRPC health protocol", null),
                StatusCode.NotFound => ProbeReport.Failed($"{What}: the server does not know the service", null),
                StatusCode.Unavailable or StatusCode.Internal => ProbeReport.Unreachable($"{What}: {ProbeDialer.Describe(exception.Status.DebugException ?? exception)}"),
                var code => ProbeReport.Failed($"{What}: grpc-status {(int)code} ({code})", []),
            };
        }
    }

    private static string NameOf(HealthCheckResponse.Types.ServingStatus status) => status switch
    {
        HealthCheckResponse.Types.ServingStatus.NotServing => "NOT_SERVING",
        HealthCheckResponse.Types.ServingStatus.ServiceUnknown => "SERVICE_UNKNOWN",
        _ => "UNKNOWN",
    };
}
