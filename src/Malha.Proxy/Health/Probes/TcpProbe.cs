using System.Net.Sockets;
using System.Security.Authentication;
using Malha.Configuration;

namespace Malha.Proxy.Health.Probes;

/// <summary>Opens a connection, with the TLS handshake where the endpoint has TLS, and closes it again.</summary>
internal sealed class TcpProbe(ProbeDialer dialer, HealthConfig health, TimeProvider time) : Probe
{
    public override string What => "tcp";

    public override async ValueTask<ProbeReport> RunAsync(CancellationToken cancellation)
    {
        var started = time.GetTimestamp();
        try
        {
            await using var stream = await dialer.DialAsync(cancellation);
            return InTime(time.GetElapsedTime(started), health.Expect.Within, ProbeReport.Good);
        }
        catch (Exception exception) when (exception is SocketException or IOException or AuthenticationException)
        {
            return ProbeReport.Unreachable($"{What}: {ProbeDialer.Describe(exception)}");
        }
    }
}
