using System.Globalization;
using System.Net.Sockets;
using Malha.Configuration;
using Malha.Proxy.Tls;
using Malha.Proxy.Transport;
using Malha.Resilience;
using StackExchange.Redis;

namespace Malha.Proxy.Sharing;

/// <summary>The server in which gateways count together. Every question ends in time; null: there is no answer, and what was asked may have happened or not.</summary>
internal sealed class SharedStore : IAsyncDisposable
{
    /// <summary>A settling that takes longer would leave gateways without each other's news.</summary>
    private static readonly TimeSpan Patience = TimeSpan.FromMilliseconds(500);

    /// <summary>How long a gateway that says nothing is counted.</summary>
    private static readonly TimeSpan PresentFor = TimeSpan.FromSeconds(3);

    private const string Gateways = "malha:gateways";

    private readonly Lazy<Task<ConnectionMultiplexer>> _connection;
    private readonly string _id = Guid.NewGuid().ToString("N");
    private readonly TimeProvider _time;
    private readonly TimeSpan _timeout;

    public SharedStore(LimitsConfig config, TimeProvider time)
    {
        _time = time;
        _timeout = config.Timeout;
        var options = new ConfigurationOptions
        {
            EndPoints = { { config.Shared.Host.Trim('[', ']'), config.Shared.Port } },
            User = config.User,
            Password = config.Password?.Reveal(),
            ClientName = "malha",
            // Without publish and subscribe the library opens one connection, not two.
            CommandMap = CommandMap.Create(["SUBSCRIBE"], available: false),
            Tunnel = new OffEngineTunnel(),
            AbortOnConnectFail = false,
            // What cannot be sent now is of no use later.
            BacklogPolicy = BacklogPolicy.FailFast,
            ReconnectRetryPolicy = new LinearRetry(250),
            ConnectTimeout = 1000,
            SyncTimeout = 1000,
            AsyncTimeout = 1000,
            HeartbeatInterval = TimeSpan.FromMilliseconds(250),
            KeepAlive = 5,
            Ssl = config.IsTls,
        };
        if (config.IsTls)
        {
            var tls = UpstreamTls.Options(new EndpointConfig { Url = config.Shared }, config: null);
            options.SslClientAuthenticationOptions = _ => tls;
        }
        _connection = new(() => Task.Run(() => ConnectionMultiplexer.ConnectAsync(options)));
    }

    /// <summary>What went wrong last.</summary>
    public string LastProblem { get; private set; } = "not connected yet";

    /// <summary>Tells that this gateway is there; how many are.</summary>
    public async Task<int?> PresentAsync(CancellationToken cancellation)
    {
        var answer = await AskAsync(Scripts.Present, [Gateways], [_id, (long)PresentFor.TotalMilliseconds], Patience, cancellation);
        return answer is null ? null : (int)answer;
    }

    /// <summary>Takes a request from all of its limits or from none.</summary>
    /// <param name="keys">Their keys.</param>
    /// <param name="limits">The limits.</param>
    /// <param name="costs">What the request counts in each.</param>
    public async Task<RateLimitDecision?> TakeAsync(RedisKey[] keys, Gcra[] limits, int[] costs)
    {
        var arguments = new RedisValue[3 * keys.Length];
        for (var i = 0; i < keys.Length; i++)
            (arguments[3 * i], arguments[(3 * i) + 1], arguments[(3 * i) + 2]) = (Emission(limits[i]), Tolerance(limits[i]), costs[i]);
        if (await AskAsync(Scripts.Take, keys, arguments, _timeout, CancellationToken.None) is not { } answer)
            return null;
        var values = (long[])answer!;
        if (values[0] != 0)
        {
            var (index, wait) = ((int)values[0] - 1, TimeSpan.FromMicroseconds(values[1]));
            var ahead = TimeSpan.FromMicroseconds(values[2]);
            return new RateLimitDecision
            {
                Index = index,
                RetryAfter = costs[index] > limits[index].Burst ? Timeout.InfiniteTimeSpan : wait,
                ResetAfter = ahead,
                Remaining = Math.Max(0, limits[index].Burst - (long)Math.Ceiling(ahead / limits[index].EmissionTime)),
            };
        }
        var tightest = 0;
        for (var i = 1; i < keys.Length; i++)
            tightest = values[(2 * i) + 1] < values[(2 * tightest) + 1] ? i : tightest;
        return new RateLimitDecision
        {
            Allowed = true, Index = tightest, Remaining = values[(2 * tightest) + 1], ResetAfter = TimeSpan.FromMicroseconds(values[(2 * tightest) + 2]),
        };
    }

    /// <summary>Settles and renews leases.</summary>
    public async Task<LeaseGrant[]?> LeaseAsync(RedisKey[] keys, Gcra[] limits, LeaseRequest[] requests, CancellationToken cancellation)
    {
        var arguments = new RedisValue[4 * keys.Length];
        for (var i = 0; i < keys.Length; i++)
        {
            arguments[4 * i] = Emission(limits[i]);
            arguments[(4 * i) + 1] = Tolerance(limits[i]);
            arguments[(4 * i) + 2] = requests[i].Settle;
            arguments[(4 * i) + 3] = requests[i].Want;
        }
        if (await AskAsync(Scripts.Lease, keys, arguments, Patience, cancellation) is not { } answer)
            return null;
        var values = (long[])answer!;
        var grants = new LeaseGrant[keys.Length];
        for (var i = 0; i < grants.Length; i++)
            grants[i] = new LeaseGrant(values[3 * i], values[(3 * i) + 1], TimeSpan.FromMicroseconds(values[(3 * i) + 2]));
        return grants;
    }

    /// <summary>Tells how much this gateway wants of a service's capacity; what each of the others does, in requests per second.</summary>
    public async Task<double[]?> WantAsync(string service, double perSecond, CancellationToken cancellation)
    {
        var want = perSecond.ToString("F3", CultureInfo.InvariantCulture);
        var answer = await AskAsync(Scripts.Want, [$"malha:capacity:{service}"], [_id, want, (long)PresentFor.TotalMilliseconds], Patience, cancellation);
        return answer is null ? null : (double[])answer!;
    }

    /// <summary>Others need not wait to see that this gateway has gone.</summary>
    public async ValueTask DisposeAsync()
    {
        if (!_connection.IsValueCreated)
            return;
        // Whatever the server says: a connection that is left behind would try to come back for ever.
        await using var connection = await _connection.Value;
        try
        {
            await connection.GetDatabase().SortedSetRemoveAsync(Gateways, _id).WaitAsync(Patience, _time);
        }
        catch (Exception exception) when (IsFailure(exception))
        {
            // It forgets by itself.
        }
    }

    private async Task<RedisResult?> AskAsync(string script, RedisKey[] keys, RedisValue[] arguments, TimeSpan patience, CancellationToken cancellation)
    {
        try
        {
            var connection = _connection.Value.IsCompletedSuccessfully ? _connection.Value.Result : await _connection.Value.WaitAsync(patience, _time, cancellation);
            return await connection.GetDatabase().ScriptEvaluateAsync(script, keys, arguments).WaitAsync(patience, _time, cancellation);
        }
        catch (Exception exception) when (IsFailure(exception))
        {
            LastProblem = Describe(exception);
            return null;
        }
    }

    private static bool IsFailure(Exception exception) =>
        exception is RedisException or TimeoutException or SocketException or IOException or ObjectDisposedException;

    // The library's messages list its own state.
    private static string Describe(Exception exception)
    {
        for (var cause = exception; cause is not null; cause = cause.InnerException)
        {
            if (cause is SocketException or System.Security.Authentication.AuthenticationException or RedisServerException)
                return cause.Message;
        }
        return exception switch
        {
            RedisConnectionException { FailureType: ConnectionFailureType.AuthenticationFailure } => "the server refuses the login",
            TimeoutException => "no answer in time",
            _ => "no connection that works",
        };
    }

    private static double Emission(Gcra limit) => limit.Options.Period.TotalMicroseconds / limit.Options.Limit;

    private static double Tolerance(Gcra limit) => Emission(limit) * limit.Burst;
}
