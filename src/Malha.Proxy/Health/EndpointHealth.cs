using Malha.Proxy.Balancing;
using Malha.Resilience;

namespace Malha.Proxy.Health;

/// <summary>One check as it was.</summary>
/// <param name="At">When it ended.</param>
/// <param name="Took">How long it took.</param>
/// <param name="Report">What came of it.</param>
internal sealed record CheckRecord(DateTimeOffset At, TimeSpan Took, ProbeReport Report);

/// <summary>
/// What is known of one endpoint's health, for as long as the endpoint is. The request path reads <see cref="IsUsable"/> and <see cref="Share"/>; the
/// service's health writes them, and everything else, one writer at a time.
/// </summary>
internal sealed class EndpointHealth(EndpointLoad load)
{
    private static readonly int Verdicts = Enum.GetValues<ProbeVerdict>().Length;

    private readonly long[] _checks = new long[Verdicts];
    private HealthState? _state;
    private OutlierState? _outlier;
    private CheckRecord? _last;
    private long _ejections;
    private long _nextCheck = Moment.Never.Ticks;

    /// <summary>Whether calls may go there.</summary>
    public bool IsUsable => load.Share > 0;

    /// <summary>What it gets of its full weight, and of its concurrency: 0 when calls may not go there, from 0.1 on while it starts slowly, else 1.</summary>
    public float Share => load.Share;

    /// <summary>What the checks say; null when it is not checked.</summary>
    public HealthState? State
    {
        get => Volatile.Read(ref _state);
        set => Volatile.Write(ref _state, value);
    }

    /// <summary>What its traffic says, compared with the others'; null when nobody compares.</summary>
    public OutlierState? Outlier
    {
        get => Volatile.Read(ref _outlier);
        set => Volatile.Write(ref _outlier, value);
    }

    public CheckRecord? LastCheck => Volatile.Read(ref _last);

    /// <summary>The last check that failed, until the endpoint is healthy again: a success on the way there does not undo what it was put down to.</summary>
    public ProbeReport? Failure { get; set; }

    /// <summary>Whether the log says that it is ejected.</summary>
    public bool IsEjectionTold { get; set; }

    /// <summary>When the next check is due; never when there is none.</summary>
    public Moment NextCheck
    {
        get => new(Volatile.Read(ref _nextCheck));
        set => Volatile.Write(ref _nextCheck, value.Ticks);
    }

    /// <summary>Times that it was left out for its traffic.</summary>
    public long Ejections => Interlocked.Read(ref _ejections);

    /// <summary>Checks made, by what came of them.</summary>
    public long Checks(ProbeVerdict verdict) => Interlocked.Read(ref _checks[(int)verdict]);

    public void Checked(CheckRecord check)
    {
        Volatile.Write(ref _last, check);
        Interlocked.Increment(ref _checks[(int)check.Report.Verdict]);
    }

    public void Ejected() => Interlocked.Increment(ref _ejections);

    /// <summary>What the balancer goes by from now on.</summary>
    public void Publish(float share)
    {
        if (!load.Share.Equals(share))
            load.Share = share;
    }

    /// <summary>It is not checked any more: nothing is known of it.</summary>
    public void Forget()
    {
        State = null;
        Failure = null;
        NextCheck = Moment.Never;
        Volatile.Write(ref _last, null);
    }
}
