using System.Runtime.CompilerServices;
using Malha.Configuration;
using Malha.Proxy.Identity;
using Malha.Proxy.Timing;
using Malha.Proxy.Transport;
using Malha.Proxy.Upstream;
using Malha.Resilience;

namespace Malha.Proxy.Admission;

/// <summary>Lets attempts to one service: capacity, concurrency limit, shares by class and the short queue before them.</summary>
/// <remarks>A permit belongs to one attempt. None is held during a back-off, and an attempt that was given up goes on counting for as long as an answer takes.</remarks>
internal sealed class ServiceAdmission : TimerEntry, IThreadPoolWorkItem
{
    /// <summary>In the first moments of a program much is compiled and connected for the first time; requests that wait for that are no overload.</summary>
    private static readonly TimeSpan WarmUp = TimeSpan.FromSeconds(2);

    private static readonly RouteBaseline NoRoute = new();

    private readonly long[] _refusals = new long[Enum.GetValues<AdmissionVerdict>().Length];
    private readonly TimerWheel _wheel;
    private readonly Clock _clock;

    public ServiceAdmission(AdmissionOptions options, GatewayRuntime runtime)
    {
        _wheel = runtime.Wheel;
        _clock = runtime.Clock;
        Controller = new AdmissionController(options);
    }

    public AdmissionController Controller { get; }

    /// <summary>Calls that were not let to the service, by the reason.</summary>
    public long RefusedFor(AdmissionVerdict verdict) => Interlocked.Read(ref _refusals[(int)verdict]);

    /// <summary>What the service asks for; null when it asks for nothing of it.</summary>
    public static AdmissionOptions? OptionsOf(ServiceConfig config, ClassModel[] classes)
    {
        if (config.Concurrency is null && config.Capacity is null)
            return null;
        // A capacity alone: the limit then only bounds what the connections bound anyhow.
        var limit = config.Concurrency ?? new ConcurrencyLimitOptions { Fixed = Malha.Resilience.Defaults.LimitMax };
        var options = new AdmissionOptions { Limit = limit, Capacity = config.Capacity, StartingFor = WarmUp };
        return classes.Length == 0 ? options
            : options with { Classes = [.. classes.Select(one => new ShareOptions { Name = one.Name, Share = one.Share, Lend = one.Lend })] };
    }

    /// <summary>
    /// Takes a permit for the next attempt, in the exchange. False with a refusal, or with none when the exchange is queued and must wait.
    /// </summary>
    public bool TryAdmit(Exchange exchange, Moment now, out Refusal refusal)
    {
        refusal = Refusal.None;
        if (exchange.IsDelivery)
            return TryAdmitDelivery(exchange, now, out refusal);
        var verdict = exchange.Wait.Ask(Controller, exchange.ShareClass, exchange.PolicyDeadline, now);
        if (verdict == AdmissionVerdict.Queued)
            return false;
        if (verdict == AdmissionVerdict.Admitted)
        {
            exchange.Attempt.Permit = exchange.Wait.Decision.Permit;
            return true;
        }
        refusal = Refused(exchange, exchange.Wait.Decision);
        return false;
    }

    // A delivery has hours: it never stands in the queue, so that whoever waits there for an answer comes before it.
    private bool TryAdmitDelivery(Exchange exchange, Moment now, out Refusal refusal)
    {
        var decision = Controller.TryAdmit(exchange.ShareClass, waiter: null, exchange.PolicyDeadline, now);
        exchange.Attempt.Permit = decision.Permit;
        var isAdmitted = decision.Verdict == AdmissionVerdict.Admitted;
        refusal = isAdmitted ? Refusal.None : Refused(exchange, decision);
        return isAdmitted;
    }

    /// <summary>Waits for the permit of a queued exchange; the refusal says why there is none.</summary>
    [AsyncMethodBuilder(typeof(PooledAsyncMethodBuilder<>))]
    public async ValueTask<Refusal> WaitAsync(Exchange exchange)
    {
        while (true)
        {
            // Somebody must let time pass for those who wait, even if no attempt ends meanwhile.
            if (Deadline == None)
                ArmNext(_clock.Now);
            if (exchange.Cancelled != CancelReason.None)
                exchange.Wait.Cancel(_clock.Now);
            await exchange.Wait.DecidedAsync();

            if (exchange.Wait.Decision.Verdict == AdmissionVerdict.Admitted)
            {
                exchange.Attempt.Permit = exchange.Wait.Decision.Permit;
                return Refusal.None;
            }
            // An order to cancel that was meant for the exchange that was here before may come late.
            var stray = exchange.Wait.Decision.Verdict == AdmissionVerdict.Cancelled && exchange.Cancelled == CancelReason.None;
            if (!stray)
                return Refused(exchange, exchange.Wait.Decision);
            if (TryAdmit(exchange, _clock.Now, out var refusal) || !refusal.IsNone)
                return refusal;
        }
    }

    /// <summary>The permit was for an attempt that was not made.</summary>
    public void GiveBack(AttemptSlot slot, Moment now) => Controller.Release(slot.Permit, NoRoute, OutcomeKind.ConnectionFailure, now);

    /// <summary>A permit if there is one without waiting, for a hedge.</summary>
    public bool TryAdmitAtOnce(Exchange exchange, Moment now, out LimitPermit permit)
    {
        var decision = Controller.TryAdmit(exchange.ShareClass, waiter: null, exchange.PolicyDeadline, now);
        permit = decision.Permit;
        return decision.Verdict == AdmissionVerdict.Admitted;
    }

    /// <summary>The attempt has its answer's head, or failed for good.</summary>
    public void Release(Exchange exchange, AttemptSlot slot, in AttemptResult result, Moment now)
    {
        if (result.Outcome is OutcomeKind.Timeout or OutcomeKind.Abandoned)
            Controller.Abandon(slot.Permit, exchange.Baseline, now);
        else
            // What says nothing about how long the service works is treated as a failure is: it takes no part in finding the limit.
            Controller.Release(slot.Permit, exchange.Baseline, result.IsTelling ? result.Outcome : OutcomeKind.Failure, now);
    }

    // Those who waited too long are answered on another thread: the wheel has other deadlines to meet.
    protected internal override void OnDeadline()
    {
        if (TakeExpiry())
            ThreadPool.UnsafeQueueUserWorkItem(this, preferLocal: false);
    }

    void IThreadPoolWorkItem.Execute()
    {
        var now = _clock.Now;
        Controller.Advance(now);
        ArmNext(now);
    }

    private void ArmNext(Moment now)
    {
        var next = Controller.NextEvent(now);
        if (next != Moment.Never)
            Arm(_wheel, _wheel.NowMs + Math.Max(1, (long)(next - now).TotalMilliseconds));
    }

    private Refusal Refused(Exchange exchange, in AdmissionDecision decision)
    {
        // A delivery that finds no room comes again; nobody was refused.
        if (!exchange.IsDelivery)
            Interlocked.Increment(ref _refusals[(int)decision.Verdict]);
        var service = exchange.Service!;
        var retryAfter = (long)decision.RetryAfter.TotalMilliseconds;
        return decision.Verdict switch
        {
            AdmissionVerdict.OverCapacity => new Refusal(RefusalKind.OverCapacity, Rule: service.Rules.Capacity,
                Limit: decision.Limit, Observed: decision.Observed, Unit: "requests", RetryAfterMs: retryAfter),
            AdmissionVerdict.DeadlineTooNear => Refusals.TooLate(exchange, Controller.TypicalLatency),
            AdmissionVerdict.Cancelled => Refusals.Cancelled(exchange),
            AdmissionVerdict.QueueFull => new Refusal(RefusalKind.Overloaded, Rule: service.Rules.Concurrency,
                Limit: decision.Limit, Observed: decision.Observed, Unit: "waiting requests", RetryAfterMs: retryAfter),
            _ => new Refusal(RefusalKind.Overloaded, Rule: Controller.Share < 1 ? service.Rules.SlowStart : service.Rules.Concurrency,
                Limit: decision.Limit, Observed: decision.Observed, Unit: "attempts in flight", RetryAfterMs: retryAfter),
        };
    }
}
