using System.Net.Sockets;
using Malha.Configuration;
using Npgsql;

namespace Malha.Proxy.Health.Probes;

/// <summary>
/// Logs in to a PostgreSQL server and asks the query. One whose first value is false has failed, so that <c>select not pg_is_in_recovery()</c>
/// asks for a primary.
/// </summary>
/// <remarks>
/// Blocking calls on a thread of its own: what an asynchronous one does after a read would run on the thread that carries traffic, and a login hashes for
/// milliseconds. The library ends a hanging call by its own timeouts, in whole seconds; the check itself ends in time.
/// </remarks>
internal sealed class PostgresProbe : Probe
{
    private readonly string _connection;
    private readonly HealthConfig _health;
    private readonly TimeProvider _time;
    private Task<ProbeReport>? _running;

    public PostgresProbe(EndpointConfig endpoint, ServiceTlsConfig? tls, HealthConfig health, TimeProvider time)
    {
        _health = health;
        _time = time;
        var seconds = (int)Math.Clamp(Math.Ceiling(health.Timeout.TotalSeconds), 1, 1024);
        var database = endpoint.Url.AbsolutePath.Trim('/');
        var builder = new NpgsqlConnectionStringBuilder
        {
            Host = endpoint.Url.Host.Trim('[', ']'),
            Port = endpoint.Url.Port,
            Database = database.Length == 0 ? null : Uri.UnescapeDataString(database),
            Username = endpoint.User,
            Password = endpoint.Password?.Reveal(),
            ApplicationName = "malha-health",
            Pooling = false,
            Enlist = false,
            Timeout = seconds,
            CommandTimeout = seconds,
            GssEncryptionMode = GssEncryptionMode.Disable,
        };
        if (tls is not null)
        {
            builder.SslMode = tls.Verify ? SslMode.VerifyFull : SslMode.Require;
            builder.RootCertificate = tls.Ca?.Path;
            builder.SslCertificate = tls.Certificate?.Path;
            builder.SslKey = tls.Key?.Path;
        }
        _connection = builder.ConnectionString;
    }

    public override string What => "postgres";

    public override async ValueTask<ProbeReport> RunAsync(CancellationToken cancellation)
    {
        // One at a time: a call that hangs past its check is waited for before the next.
        if (_running is { } earlier)
            await earlier.WaitAsync(cancellation);
        _running = Task.Factory.StartNew(Ask, CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
        var report = await _running.WaitAsync(cancellation);
        _running = null;
        return report;
    }

    private ProbeReport Ask()
    {
        var started = _time.GetTimestamp();
        try
        {
            var builder = new NpgsqlDataSourceBuilder(_connection);
            // A check needs none of the types that a session would load first.
            builder.ConfigureTypeLoading(types => types.EnableTypeLoading(false));
            using var source = builder.Build();
            using var connection = source.OpenConnection();
            using var command = new NpgsqlCommand(_health.Query, connection);
            return command.ExecuteScalar() is false
                ? ProbeReport.Failed($"{What}: the query returned false", null)
                : InTime(_time.GetElapsedTime(started), _health.Expect.Within, ProbeReport.Good);
        }
        catch (PostgresException exception)
        {
            return ProbeReport.Failed($"{What}: {exception.MessageText} ({exception.SqlState})", null);
        }
        catch (Exception exception) when (exception is NpgsqlException or SocketException or IOException or TimeoutException)
        {
            return ProbeReport.Unreachable($"{What}: {ProbeDialer.Describe(exception)}");
        }
    }
}
