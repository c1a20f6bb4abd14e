using Malha.Resilience;

namespace Malha.Lab.Simulation;

/// <summary>What of Malha stands between a caller and a service in a simulation; null leaves a policy out.</summary>
internal sealed record GatewaySetup
{
    public AdmissionOptions? Admission { get; init; } = new();

    public BreakerOptions? Breaker { get; init; } = new();

    public RetryOptions Retry { get; init; } = new();

    public RetryBudgetOptions Budget { get; init; } = new();

    public DeadlineOptions Deadline { get; init; } = new();
}

/// <summary>One request's way through the gateway, as its caller may follow it.</summary>
internal sealed class GatewayCall
{
    public bool Done { get; set; }

    public double AskedAt { get; init; }

    public Deadline Deadline { get; init; }

    public int Class { get; init; }

    public required RouteBaseline Route { get; init; }

    public required Action<Answered> Send { get; init; }

    public required Action<OutcomeKind> Finish { get; init; }

    /// <summary>Ends the attempt under way, as abandoned.</summary>
    public Action? Leave { get; set; }
}

/// <summary>
/// The attempt loop of the gateway in virtual time: admission, breaker, attempt timeout, outcome, retry under the budget. The same policy classes as in the
/// real one, with scheduled events for sockets and timers.
/// </summary>
internal sealed class Gateway
{
    private readonly VirtualTime _time;
    private readonly GatewaySetup _setup;
    private readonly RetryPolicy _retry;
    private readonly RetryBudget _budget;
    private VirtualTime.Event? _wake;

    public Gateway(VirtualTime time, GatewaySetup setup, Chance chance)
    {
        _time = time;
        _setup = setup;
        _retry = new RetryPolicy(setup.Retry, chance.Fork());
        _budget = new RetryBudget(setup.Budget);
        Admission = setup.Admission is { } admission ? new AdmissionController(admission) : null;
        Breaker = setup.Breaker is { } breaker ? new CircuitBreaker(breaker, chance.Fork(), Transitions.Add) : null;
    }

    public AdmissionController? Admission { get; }

    public CircuitBreaker? Breaker { get; }

    public List<BreakerTransition> Transitions { get; } = [];

    public long Attempts { get; private set; }

    public RouteBaseline DefaultRoute { get; } = new();

    /// <param name="send">Makes one attempt.</param>
    /// <param name="finish">Told the end.</param>
    /// <param name="shareClass">The caller's class.</param>
    /// <param name="route">Whose usual latency it is measured by.</param>
    /// <param name="retriedAbove">It was a retry when it came in.</param>
    /// <param name="caller">By when whoever asked needs the answer; the gateway's own timeout may be earlier.</param>
    public GatewayCall Ask(
        Action<Answered> send, Action<OutcomeKind> finish, int shareClass = 0, RouteBaseline? route = null, bool retriedAbove = false, Deadline caller = default)
    {
        var call = new GatewayCall
        {
            AskedAt = _time.Seconds,
            Deadline = Deadline.Start(_time.Now, _setup.Deadline, null).Earlier(caller),
            Class = shareClass,
            Route = route ?? DefaultRoute,
            Send = send,
            Finish = finish,
        };
        Attempt(call, 1, retriedAbove, default);
        return call;
    }

    /// <summary>The caller has gone.</summary>
    public void Leave(GatewayCall call)
    {
        if (call.Done)
            return;
        call.Done = true;
        call.Leave?.Invoke();
        Wake();
    }

    private void Attempt(GatewayCall call, int number, bool retriedAbove, TimeSpan previousDelay)
    {
        if (call.Done)
            return;
        if (Admission is not { } admission)
        {
            Send(call, number, retriedAbove, previousDelay, default);
            return;
        }

        var waiter = new Waiter(this, call, number, retriedAbove, previousDelay);
        var decision = admission.TryAdmit(call.Class, waiter, call.Deadline, _time.Now);
        call.Leave = () => admission.Cancel(waiter, _time.Now);
        if (decision.Verdict != AdmissionVerdict.Queued)
            waiter.Decide(decision);
        Wake();
    }

    private void Send(GatewayCall call, int number, bool retriedAbove, TimeSpan previousDelay, LimitPermit permit)
    {
        var breaker = Breaker?.TryAcquire(_time.Now) ?? new BreakerDecision { Allowed = true };
        if (!breaker.Allowed)
        {
            Admission?.Release(permit, call.Route, OutcomeKind.ConnectionFailure, _time.Now);
            End(call, OutcomeKind.BackPressure);
            return;
        }

        Attempts++;
        var over = false;
        var limit = call.Deadline.ForAttempt(_time.Now, _setup.Deadline);
        var kind = limit.At < call.Deadline.At ? OutcomeKind.Timeout : OutcomeKind.Abandoned;
        VirtualTime.Event? timer = null;
        timer = _time.Schedule(limit.At, () => Over(kind));
        call.Leave = () => Over(OutcomeKind.Abandoned);
        call.Send(Over);

        void Over(OutcomeKind outcome)
        {
            if (over)
                return;
            over = true;
            timer?.Cancel();
            Breaker?.Report(breaker.Permit, outcome, _time.Now);
            if (outcome is OutcomeKind.Timeout or OutcomeKind.Abandoned)
                Admission?.Abandon(permit, call.Route, _time.Now);
            else
                Admission?.Release(permit, call.Route, outcome, _time.Now);
            Wake();
            if (!call.Done)
                Judge(call, number, retriedAbove, previousDelay, outcome);
        }
    }

    private void Judge(GatewayCall call, int number, bool retriedAbove, TimeSpan previousDelay, OutcomeKind outcome)
    {
        if (outcome == OutcomeKind.Success)
        {
            if (number == 1)
                _budget.OnFirstAttemptSuccess(_time.Now);
            End(call, outcome);
            return;
        }

        var facts = new AttemptFacts { Outcome = outcome, Idempotent = true, FirstByteSent = true, BodyReplayable = true, RetriedAbove = retriedAbove };
        var question = new RetryQuestion
        {
            AttemptsMade = number,
            Retryability = Retryabilities.Judge(facts),
            Deadline = call.Deadline,
            TypicalLatency = Admission?.TypicalLatency ?? default,
            PreviousDelay = previousDelay,
        };
        var decision = _retry.Decide(question, _budget, _time.Now);
        if (decision.ShouldRetry)
            _time.After(decision.Delay, () => Attempt(call, number + 1, retriedAbove, decision.Delay));
        else
            End(call, outcome);
    }

    private static void End(GatewayCall call, OutcomeKind outcome)
    {
        if (call.Done)
            return;
        call.Done = true;
        call.Finish(outcome);
    }

    /// <summary>The timer wheel: one event for whatever is due next.</summary>
    private void Wake()
    {
        if (Admission is not { } admission)
            return;
        var next = admission.NextEvent(_time.Now);
        _wake?.Cancel();
        _wake = null;
        if (next == Moment.Never)
            return;
        _wake = _time.Schedule(Moment.Max(next, _time.Now + TimeSpan.FromTicks(1)), () =>
        {
            _wake = null;
            admission.Advance(_time.Now);
            Wake();
        });
    }

    private sealed class Waiter(Gateway gateway, GatewayCall call, int number, bool retriedAbove, TimeSpan previousDelay) : AdmissionWaiter
    {
        public void Decide(in AdmissionDecision decision)
        {
            if (decision.Verdict == AdmissionVerdict.Admitted)
                gateway.Send(call, number, retriedAbove, previousDelay, decision.Permit);
            else
                End(call, OutcomeKind.BackPressure);
        }

        public override void OnDecided(in AdmissionDecision decision) => Decide(decision);
    }
}
