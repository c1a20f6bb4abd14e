using System.Collections.Concurrent;
using Malha.Configuration;
using Malha.Proxy.Identity;
using Malha.Proxy.RateLimiting;
using Malha.Proxy.Telemetry.Logging;
using Malha.Resilience;
using StackExchange.Redis;

namespace Malha.Proxy.Sharing;

/// <summary>
/// Limits that are counted together with other gateways. As long as the store answers, requests are judged by leases that a turn of its own settles, or each asks the store;
/// when it does not, by this gateway's part of each limit, at once, and nobody waits for it again until it answers quickly.
/// </summary>
internal sealed class SharedLimits : IAsyncDisposable
{
    /// <summary>Between two settlings: short, so that gateways hear of each other, and few enough that they cost nothing.</summary>
    private static readonly TimeSpan Turn = TimeSpan.FromMilliseconds(50);

    /// <summary>Between two that are hurried: a burst asks again and again.</summary>
    private static readonly TimeSpan HurriedTurn = TimeSpan.FromMilliseconds(2);

    private static readonly TimeSpan PresenceTurn = TimeSpan.FromMilliseconds(250);

    /// <summary>A lease that nobody asked for so long is given back and forgotten.</summary>
    private static readonly TimeSpan Forget = TimeSpan.FromSeconds(2);

    /// <summary>Leases at a time; who finds no room has this gateway's part of the limit.</summary>
    private const int LeasesAtMost = 100_000;

    /// <summary>Keys in one question: a script keeps everybody else waiting.</summary>
    private const int KeysAtOnce = 64;

    private readonly ConcurrentDictionary<ulong, Lease> _leases = new();
    private readonly SharedStore _store;
    private readonly Clock _clock;
    private readonly TimeProvider _time;
    private readonly EventLog _events;
    private readonly CancellationTokenSource _ending = new();
    private readonly CancellationToken _end;
    private readonly SemaphoreSlim _hurry = new(0, 1);
    private Task _running = Task.CompletedTask;
    private volatile bool _isUp;
    private bool _isTold;
    private int _gateways = 1;
    private int _count;
    private long _localDecisions;
    private long _failures;

    public SharedLimits(LimitsConfig config, SharedStore store, Clock clock, TimeProvider time, EventLog events)
    {
        Config = config;
        _store = store;
        _clock = clock;
        _time = time;
        _events = events;
        _end = _ending.Token;
    }

    public LimitsConfig Config { get; }

    /// <summary>Whether limits are counted together now.</summary>
    public bool IsUp => _isUp;

    /// <summary>Gateways seen last, with this one.</summary>
    public int Gateways => Volatile.Read(ref _gateways);

    /// <summary>Requests that were judged by this gateway's part alone.</summary>
    public long LocalDecisions => Interlocked.Read(ref _localDecisions);

    /// <summary>Questions that the store did not answer in time.</summary>
    public long Failures => Interlocked.Read(ref _failures);

    /// <summary>Leases held.</summary>
    public int Count => Volatile.Read(ref _count);

    public bool AsksEachTime => Config.Mode == SharingMode.Exact;

    public void Start() => _running = Task.WhenAll(Task.Run(PresentAsync), Task.Run(SettleAsync));

    /// <summary>The lease of a limit for one caller, to take from; null while there is none, and this gateway's part holds.</summary>
    /// <param name="key">Tells the pair apart within the process.</param>
    /// <param name="limit">The limit.</param>
    /// <param name="caller">Whose request it is.</param>
    /// <param name="now">When.</param>
    public LeasedLimit? LeaseOf(ulong key, LimitModel limit, Caller caller, Moment now)
    {
        if (!_isUp || AsksEachTime)
            return null;
        if (_leases.TryGetValue(key, out var lease))
        {
            lease.Follow(limit);
            return lease.Limit;
        }
        return Volatile.Read(ref _count) < LeasesAtMost ? Begin(key, limit, caller, now).Limit : null;
    }

    /// <summary>Puts back what another limit's refusal made useless; nothing when the lease has gone meanwhile.</summary>
    public void GiveBack(ulong key, int cost)
    {
        if (_leases.TryGetValue(key, out var lease))
            lease.Limit.GiveBack(cost);
    }

    /// <summary>A request was judged here. Does not block.</summary>
    /// <param name="hurries">Something leased runs out: the next settling does not wait for its turn.</param>
    /// <param name="isAlone">This gateway's part decided.</param>
    public void Judged(bool hurries, bool isAlone)
    {
        if (isAlone)
            Interlocked.Increment(ref _localDecisions);
        if (hurries)
            Hurry();
    }

    /// <summary>What this gateway may let pass now; null when nothing is leased, and only the store knows.</summary>
    public RateLimitDecision? Peek(ulong key, LimitModel limit, Moment now) => _leases.TryGetValue(key, out var lease) ? lease.Limit.Peek(limit.Gcra, now) : null;

    /// <summary>Asks the store for one request; null when it does not answer in time: then nobody asks it until it answers again.</summary>
    public async Task<RateLimitDecision?> AskAsync(LimitSet limits, Caller caller)
    {
        var count = limits.Limits.Length;
        var (keys, gcras, costs) = (new RedisKey[count], new Gcra[count], new int[count]);
        for (var i = 0; i < count; i++)
            (keys[i], gcras[i], costs[i]) = (KeyOf(limits.Limits[i], caller), limits.Limits[i].Gcra, limits.Limits[i].Config.Cost);
        var decision = await _store.TakeAsync(keys, gcras, costs);
        if (decision is null)
            Failed();
        return decision;
    }

    /// <summary>What each other gateway wants of a service's capacity; null when nobody can say.</summary>
    public async Task<double[]?> WantAsync(string service, double perSecond)
    {
        try
        {
            return await _store.WantAsync(service, perSecond, _end);
        }
        catch (OperationCanceledException)
        {
            // A reload has put another one in its place.
            return null;
        }
    }

    public async ValueTask DisposeAsync()
    {
        await _ending.CancelAsync();
        await _running;
        await _store.DisposeAsync();
        _ending.Dispose();
        _hurry.Dispose();
    }

    private void Hurry()
    {
        try
        {
            if (_hurry.CurrentCount == 0)
                _hurry.Release();
        }
        catch (Exception exception) when (exception is SemaphoreFullException or ObjectDisposedException)
        {
            // Somebody else was as quick, or it has just ended.
        }
    }

    private static RedisKey KeyOf(LimitModel limit, Caller caller)
    {
        var key = $"malha:limit:{limit.SharedName}:{caller.Client?.Name}";
        return limit.Config.Per == LimitScope.Ip ? $"{key}:{caller.Address.Scope}" : key;
    }

    private Lease Begin(ulong key, LimitModel limit, Caller caller, Moment now)
    {
        var made = new Lease(limit, KeyOf(limit, caller), new LeasedLimit(limit.Gcra, Gateways, now));
        var lease = _leases.GetOrAdd(key, made);
        if (ReferenceEquals(lease, made))
            Interlocked.Increment(ref _count);
        return lease;
    }

    // Whether the store answers, and how many gateways there are. In the exact mode it must answer as quickly as a request may wait.
    private async Task PresentAsync()
    {
        using var timer = new PeriodicTimer(PresenceTurn, _time);
        try
        {
            do
            {
                var asked = _time.GetTimestamp();
                var gateways = await _store.PresentAsync(_end);
                if (gateways is null || (AsksEachTime && _time.GetElapsedTime(asked) > Config.Timeout))
                {
                    Failed();
                    continue;
                }
                Volatile.Write(ref _gateways, Math.Max(1, gateways.Value));
                if (!_isUp)
                    Rise();
            }
            while (await timer.WaitForNextTickAsync(_end));
        }
        catch (OperationCanceledException)
        {
            // It ends.
        }
    }

    private async Task SettleAsync()
    {
        try
        {
            while (true)
            {
                await Task.Delay(HurriedTurn, _time, _end);
                await _hurry.WaitAsync(Turn, _end);
                if (_isUp && !_leases.IsEmpty)
                    await SettleAllAsync();
            }
        }
        catch (OperationCanceledException)
        {
            // It ends.
        }
    }

    private async Task SettleAllAsync()
    {
        var batch = new List<Lease>(KeysAtOnce);
        var requests = new List<LeaseRequest>(KeysAtOnce);
        foreach (var (key, lease) in _leases)
        {
            var request = lease.Limit.Prepare(lease.Model.Gcra);
            if (request.IsEmpty)
            {
                // Nothing was asked, and nothing is held: whoever comes later begins anew.
                if (_clock.Now - lease.Limit.UsedAt > Forget && _leases.TryRemove(key, out _))
                    Interlocked.Decrement(ref _count);
                continue;
            }
            batch.Add(lease);
            requests.Add(request);
            if (batch.Count < KeysAtOnce)
                continue;
            if (!await SettleAsync(batch, requests))
                return;
            batch.Clear();
            requests.Clear();
        }
        if (batch.Count > 0)
            await SettleAsync(batch, requests);
    }

    private async Task<bool> SettleAsync(List<Lease> batch, List<LeaseRequest> requests)
    {
        var grants = await _store.LeaseAsync([.. batch.Select(lease => lease.Key)], [.. batch.Select(lease => lease.Model.Gcra)], [.. requests], _end);
        if (grants is null)
        {
            Failed();
            return false;
        }
        var (now, gateways) = (_clock.Now, Gateways);
        for (var i = 0; i < grants.Length; i++)
            batch[i].Limit.Settled(grants[i], gateways, now);
        return true;
    }

    private void Rise()
    {
        _isUp = true;
        _isTold = false;
        _events.Info("limits-shared", ("store", Config.Shared.Authority), ("gateways", Gateways));
    }

    private void Failed()
    {
        Interlocked.Increment(ref _failures);
        _isUp = false;
        // What was leased is not known to be ours any more.
        _leases.Clear();
        Volatile.Write(ref _count, 0);
        if (_isTold)
            return;
        _isTold = true;
        _events.Warning("limits-local", ("store", Config.Shared.Authority), ("gateways", Gateways), ("problem", _store.LastProblem));
    }

    private sealed class Lease(LimitModel model, RedisKey key, LeasedLimit limit)
    {
        private LimitModel _model = model;

        public RedisKey Key => key;

        public LeasedLimit Limit => limit;

        public LimitModel Model => Volatile.Read(ref _model);

        /// <summary>A reload may have given the limit another rate.</summary>
        public void Follow(LimitModel now)
        {
            if (!ReferenceEquals(_model, now))
                Volatile.Write(ref _model, now);
        }
    }
}
