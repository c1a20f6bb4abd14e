using System.Net.Sockets;
using Malha.Proxy.Telemetry.Logging;
using Malha.Proxy.Timing;

namespace Malha.Proxy.SelfProtection;

/// <summary>
/// Watches what the gateway uses of its budgets, ten times a second and whenever connections reach a threshold in between, and says which stage that is. A request reads
/// it once; whoever acts on it does so on a thread of the pool.
/// </summary>
internal sealed class OverloadMonitor : TimerEntry, IThreadPoolWorkItem, IDisposable
{
    /// <summary>Between two looks.</summary>
    public const int IntervalMs = 100;

    private const int LooksPerCount = 10;

    /// <summary>Without descriptors each attempt to accept fails: told now and then, not ten times a second.</summary>
    private static readonly TimeSpan ToldEvery = TimeSpan.FromSeconds(10);

    private readonly TimerWheel _wheel;
    private readonly TimeProvider _time;
    private readonly EventLog _events;
    private readonly Func<OverloadMonitor, ProtectionReadings> _read;
    private readonly Lock _acting = new();
    private ProtectionLimits _limits = ProtectionLimits.None;
    private Verdict _verdict = Verdict.Normal;
    private ProtectionStage _told;
    private long _lookAt = BudgetUse.Unlimited;
    private long _stopAt = BudgetUse.Unlimited;
    private long _connections;
    private long _filesLeft = BudgetUse.Unlimited;
    private long _offered;
    private long _refused;
    private long _failedAccepts;
    private long _toldFailureAt;
    private int _looking;
    private int _counting;
    private int _looks;
    private volatile bool _held;
    private volatile bool _disposed;

    /// <param name="wheel">Says when to look.</param>
    /// <param name="time">Measures.</param>
    /// <param name="events">Is told of each change.</param>
    /// <param name="read">Reads what is used: on the wheel's thread and on those that accept, so that it must be quick. Must not throw.</param>
    public OverloadMonitor(TimerWheel wheel, TimeProvider time, EventLog events, Func<OverloadMonitor, ProtectionReadings> read)
    {
        _wheel = wheel;
        _time = time;
        _events = events;
        _read = read;
        Arm(wheel, wheel.NowMs + IntervalMs);
    }

    /// <summary>Gives up what the stage says. Called on a thread of the pool, after each change and after each look above the normal stage; never twice at a time.</summary>
    public Action<Verdict>? Act { get; set; }

    /// <summary>Counts what is not counted anyhow. Called on a thread of the pool every second, never twice at a time.</summary>
    public Action<OverloadMonitor>? Count { get; init; }

    public BufferBudget Buffers { get; } = new();

    public ProtectionLimits Limits => Volatile.Read(ref _limits);

    public Verdict Verdict => Volatile.Read(ref _verdict);

    public ProtectionStage Stage => Verdict.Stage;

    /// <summary>Whether connections may rest between two requests.</summary>
    public bool KeepsAlive => Stage == ProtectionStage.Normal;

    /// <summary>
    /// Whether a listener may let the next connection in. Does not rely on a look alone: hundreds connect while the thread that looks is not running. After a no,
    /// <see cref="Act"/> is called for the next look, which wakes the listener when it may go on.
    /// </summary>
    public bool Accepts()
    {
        if (Stage != ProtectionStage.NotAccepting && Connections < Volatile.Read(ref _stopAt))
            return true;
        _held = true;
        return false;
    }

    /// <summary>Connections of clients.</summary>
    public long Connections => Volatile.Read(ref _connections);

    /// <summary>Requests refused.</summary>
    public long Refused => Volatile.Read(ref _refused);

    /// <summary>Times that a connection could not be accepted: there was no descriptor or no memory for it.</summary>
    public long FailedAccepts => Volatile.Read(ref _failedAccepts);

    public void Update(ProtectionLimits limits)
    {
        Buffers.Update(limits.Buffers);
        Volatile.Write(ref _limits, limits);
        Look();
    }

    /// <summary>What is used of each budget now.</summary>
    public IEnumerable<BudgetUse> Uses()
    {
        var (limits, readings) = (Limits, _read(this));
        return Enum.GetValues<BudgetKind>().Select(kind => limits.Use(kind, readings));
    }

    /// <summary>Whether a request whose class is known is refused. Allocates nothing.</summary>
    public Refusal Judge(Exchange exchange)
    {
        var verdict = Verdict;
        if (verdict.Stage < ProtectionStage.Shedding)
            return Refusal.None;
        // The lowest class, as long as there is another one; else every second request, in turn, so that nobody is refused for good.
        var identity = exchange.Model.Identity;
        var isShed = identity.Classes.Length > 1 ? exchange.ShareClass == identity.LowestClass : (Interlocked.Increment(ref _offered) & 1) == 0;
        if (!isShed)
            return Refusal.None;
        Interlocked.Increment(ref _refused);
        return verdict.Refusal;
    }

    /// <summary>Whether another connection to an endpoint is within the budget of files: clients that are connected already may ask for many at once.</summary>
    public bool TryOpenFile()
    {
        if (Interlocked.Decrement(ref _filesLeft) >= 0)
            return true;
        // Some have been closed since, which only a look sees.
        Look();
        return Interlocked.Decrement(ref _filesLeft) >= 0;
    }

    /// <summary>What a request is told for which no file is left.</summary>
    public Refusal OutOfFiles()
    {
        var use = Limits.Use(BudgetKind.Files, _read(this));
        var refusal = new Verdict(Stage, use).Refusal;
        // Not watched, or not used up, and yet the system gave none.
        return use.Used < use.Limit ? refusal with { Unit = null, Detail = "the process may not open more files (ulimit -n)" } : refusal;
    }

    /// <summary>A client has connected.</summary>
    public void Opened()
    {
        // A flood is over before the next look.
        if (Interlocked.Increment(ref _connections) >= Volatile.Read(ref _lookAt))
            Look();
    }

    public void Closed() => Interlocked.Decrement(ref _connections);

    /// <summary>A connection could not be accepted.</summary>
    public void AcceptFailed(SocketError error)
    {
        Interlocked.Increment(ref _failedAccepts);
        var (now, told) = (_time.GetTimestamp(), Volatile.Read(ref _toldFailureAt));
        if ((told != 0 && _time.GetElapsedTime(told, now) < ToldEvery) || Interlocked.CompareExchange(ref _toldFailureAt, now, told) != told)
            return;
        // The log's lock may be held: not on a thread of the engine.
        ThreadPool.UnsafeQueueUserWorkItem(_ => _events.Warning("accept-failed", ("error", error.ToString()), ("times", FailedAccepts)), null);
    }

    /// <summary>Looks at the budgets now.</summary>
    public void Look()
    {
        // Whoever looks already sees what this one would see.
        if (Interlocked.Exchange(ref _looking, 1) != 0)
            return;
        var (limits, readings) = (Limits, _read(this));
        var tightest = limits.Tightest(readings);
        var before = _verdict.Stage;
        var stage = ProtectionStages.Next(before, tightest.Share);
        if (stage != ProtectionStage.Normal || before != ProtectionStage.Normal)
            Volatile.Write(ref _verdict, new Verdict(stage, tightest));
        Volatile.Write(ref _filesLeft, limits.Files == BudgetUse.Unlimited ? BudgetUse.Unlimited : limits.Files - readings.Files);
        Volatile.Write(ref _lookAt, ConnectionsAtEndOf(stage, limits, readings));
        Volatile.Write(ref _stopAt, ConnectionsAtEndOf(ProtectionStage.Shedding, limits, readings));
        Volatile.Write(ref _looking, 0);
        var held = _held;
        _held = false;
        if (stage != ProtectionStage.Normal || before != ProtectionStage.Normal || held)
            ThreadPool.UnsafeQueueUserWorkItem(this, preferLocal: false);
    }

    public void Dispose()
    {
        _disposed = true;
        _wheel.Remove(this);
    }

    protected internal override void OnDeadline()
    {
        if (!TakeExpiry() || _disposed)
            return;
        Look();
        if (Count is not null && _looks++ % LooksPerCount == 0)
            ThreadPool.UnsafeQueueUserWorkItem(static monitor => monitor.CountOnce(), this, preferLocal: false);
        Arm(_wheel, _wheel.NowMs + IntervalMs);
    }

    void IThreadPoolWorkItem.Execute()
    {
        lock (_acting)
        {
            var verdict = Verdict;
            if (verdict.Stage != _told)
                Tell(verdict);
            _told = verdict.Stage;
            if (!_disposed)
                Act?.Invoke(verdict);
        }
    }

    // How many clients may be connected before the stage after this one begins. Each takes a file too, beside those that others hold.
    private static long ConnectionsAtEndOf(ProtectionStage stage, ProtectionLimits limits, ProtectionReadings readings)
    {
        var files = ProtectionStages.BeginOfNext(stage, limits.Files);
        if (files != BudgetUse.Unlimited)
            files -= readings.Files - readings.Connections;
        return Math.Min(ProtectionStages.BeginOfNext(stage, limits.Connections), files);
    }

    private void CountOnce()
    {
        // One that takes longer than a second is not overtaken.
        if (Interlocked.Exchange(ref _counting, 1) != 0)
            return;
        Count!(this);
        Volatile.Write(ref _counting, 0);
        // How many may connect follows from it.
        Look();
    }

    private void Tell(Verdict verdict)
    {
        var use = verdict.Tightest;
        EventField[] fields =
        [
            ("stage", ProtectionStages.TextOf(verdict.Stage)), ("before", ProtectionStages.TextOf(_told)),
            ("budget", use.Name), ("used", use.Used), ("limit", use.Limit), ("unit", use.Unit),
        ];
        if (verdict.Stage > _told)
            _events.Warning("protection", fields);
        else
            _events.Info("protection", fields);
    }
}
