using System.Net.Sockets;
using Malha.Configuration;
using Malha.Proxy.Tls;
using Malha.Proxy.Transport;
using StackExchange.Redis;

namespace Malha.Proxy.Health.Probes;

/// <summary>Logs in to a Redis server (or one that speaks its protocol) and sends PING.</summary>
internal sealed class RedisProbe : Probe
{
    // Without publish and subscribe the library opens one connection, not two.
    private static readonly CommandMap Commands = CommandMap.Create(["SUBSCRIBE"], available: false);

    private readonly ConfigurationOptions _options;
    private readonly ProbeDialer _dialer;
    private readonly HealthConfig _health;
    private readonly TimeProvider _time;
    private Task<ProbeReport>? _running;

    public RedisProbe(EndpointConfig endpoint, ServiceTlsConfig? tls, HealthConfig health, TimeProvider time)
    {
        _health = health;
        _time = time;
        _dialer = new ProbeDialer(endpoint, tls: null);
        var timeout = (int)Math.Min(health.Timeout.TotalMilliseconds, int.MaxValue);
        _options = new ConfigurationOptions
        {
            EndPoints = { { endpoint.Url.Host.Trim('[', ']'), endpoint.Url.Port } },
            User = endpoint.User,
            Password = endpoint.Password?.Reveal(),
            ClientName = "malha-health",
            CommandMap = Commands,
            Tunnel = new OffEngineTunnel(),
            AbortOnConnectFail = true,
            ConnectRetry = 0,
            ConnectTimeout = timeout,
            SyncTimeout = timeout,
            AsyncTimeout = timeout,
            Ssl = endpoint.IsTls,
        };
        if (!endpoint.IsTls)
            return;
        var options = UpstreamTls.Options(endpoint, tls);
        _options.SslClientAuthenticationOptions = _ => options;
    }

    public override string What => "redis PING";

    public override async ValueTask<ProbeReport> RunAsync(CancellationToken cancellation)
    {
        // One at a time: a connection that is being given up past its check is waited for before the next.
        if (_running is { } earlier)
            await earlier.WaitAsync(cancellation);
        // The library tries again and again until its time is over; that nobody listens is known at once.
        try
        {
            await using var stream = await _dialer.DialAsync(cancellation);
        }
        catch (Exception exception) when (exception is SocketException or IOException)
        {
            return ProbeReport.Unreachable($"{What}: {ProbeDialer.Describe(exception)}");
        }
        _running = Task.Run(AskAsync, CancellationToken.None);
        var report = await _running.WaitAsync(cancellation);
        _running = null;
        return report;
    }

    private async Task<ProbeReport> AskAsync()
    {
        var started = _time.GetTimestamp();
        try
        {
            await using var connection = await ConnectionMultiplexer.ConnectAsync(_options);
            await connection.GetDatabase().PingAsync();
            return InTime(_time.GetElapsedTime(started), _health.Expect.Within, ProbeReport.Good);
        }
        catch (RedisConnectionException exception) when (exception.FailureType == ConnectionFailureType.AuthenticationFailure)
        {
            return ProbeReport.Failed($"{What}: the server refuses the login", null);
        }
        catch (RedisServerException exception)
        {
            return ProbeReport.Failed($"{What}: {exception.Message}", null);
        }
        catch (Exception exception) when (exception is RedisException or TimeoutException or SocketException or IOException)
        {
            return ProbeReport.Unreachable($"{What}: {Describe(exception)}");
        }
    }

    // The library's messages list its own state; what an operator needs is the socket's fault, if there is one.
    private static string Describe(Exception exception)
    {
        for (var cause = exception; cause is not null; cause = cause.InnerException)
        {
            if (cause is SocketException or System.Security.Authentication.AuthenticationException)
                return ProbeDialer.Describe(cause);
        }

        return exception is RedisTimeoutException or TimeoutException ? "no answer in time" : "no connection that works";
    }
}
