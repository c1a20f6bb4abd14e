using Malha.Resilience;

namespace Malha.Tests.Resilience;

public sealed class AdmissionControllerTests
{
    private sealed class Waiter : AdmissionWaiter
    {
        public List<AdmissionDecision> Told { get; } = [];

        public TaskCompletionSource<AdmissionDecision>? Last { get; set; }

        public AdmissionVerdict? Verdict => Told.Count == 0 ? null : Told[^1].Verdict;

        public override void OnDecided(in AdmissionDecision decision)
        {
            Told.Add(decision);
            Last?.SetResult(decision);
        }
    }

    private static readonly RouteBaseline Route = new();

    private static AdmissionController Make(int limit, params (double Share, double Lend)[] classes) => new(new AdmissionOptions
    {
        Limit = new ConcurrencyLimitOptions { Fixed = limit },
        Classes = classes.Length == 0
            ? [new ShareOptions { Name = "default" }]
            : [.. classes.Select((c, i) => new ShareOptions { Name = $"c{i}", Share = c.Share, Lend = c.Lend })],
    });

    private static List<LimitPermit> Fill(AdmissionController admission, int shareClass, int count, double at) => Enumerable.Range(0, count).Select(_ =>
    {
        var decision = admission.TryAdmit(shareClass, null, Deadline.None, At.Seconds(at));
        Assert.Equal(AdmissionVerdict.Admitted, decision.Verdict);
        return decision.Permit;
    }).ToList();

    private static Waiter Wait(AdmissionController admission, double at, int shareClass = 0, Deadline deadline = default)
    {
        var waiter = new Waiter();
        Assert.Equal(AdmissionVerdict.Queued, admission.TryAdmit(shareClass, waiter, deadline, At.Seconds(at)).Verdict);
        return waiter;
    }

    [Fact]
    public void Snapshot_counts_what_is_in_flight_abandoned_and_waiting()
    {
        var admission = Make(2);
        var permits = Fill(admission, 0, 2, 100);
        admission.Release(permits[0], Route, OutcomeKind.Success, At.Seconds(101));
        Fill(admission, 0, 1, 101);
        Wait(admission, 101);
        admission.Abandon(permits[1], Route, At.Seconds(101));
        var snapshot = admission.Snapshot(At.Seconds(101.1));
        Assert.Equal((2, 2, 1, 1, TimeSpan.FromSeconds(1)), (snapshot.Limit, snapshot.InFlight, snapshot.Abandoned, snapshot.Waiting, snapshot.TypicalLatency));
        // It has counted for as long as an answer takes.
        var later = admission.Snapshot(At.Seconds(102.2));
        Assert.Equal((1, 0), (later.InFlight, later.Abandoned));
    }

    [Fact]
    public void What_fits_starts_what_does_not_waits_and_gets_the_seat_that_falls_free()
    {
        var admission = Make(2);
        var permits = Fill(admission, 0, 2, 1);
        var waiter = Wait(admission, 1);
        Assert.Null(waiter.Verdict);
        admission.Release(permits[0], Route, OutcomeKind.Success, At.Seconds(1.05));
        Assert.Equal((AdmissionVerdict.Admitted, At.Ms(50)), (waiter.Verdict, waiter.Told[0].Waited));
        Assert.Equal((2, 0), (admission.InFlight, admission.Waiting));
    }

    [Fact]
    public void A_queue_that_empties_is_first_in_first_out_and_waits_up_to_100_ms()
    {
        var admission = Make(1);
        var permits = Fill(admission, 0, 1, 1);
        var first = Wait(admission, 1);
        var second = Wait(admission, 1.01);
        admission.Release(permits[0], Route, OutcomeKind.Success, At.Seconds(1.05));
        Assert.Equal(AdmissionVerdict.Admitted, first.Verdict);
        Assert.Null(second.Verdict);
        Assert.Equal(At.Seconds(1.11), admission.NextEvent(At.Seconds(1.05)));
        admission.Advance(At.Seconds(1.1));
        Assert.Equal(AdmissionVerdict.Overloaded, second.Verdict);
    }

    [Fact]
    public void A_free_seat_is_given_to_who_waited_too_long_because_nobody_looked()
    {
        var admission = Make(1);
        var permits = Fill(admission, 0, 1, 1);
        var waiter = Wait(admission, 1);
        admission.Release(permits[0], Route, OutcomeKind.Success, At.Seconds(1.5));
        Assert.Equal(AdmissionVerdict.Admitted, waiter.Verdict);
    }

    [Fact]
    public void Nobody_is_refused_for_a_pause_of_the_machine_before_what_came_meanwhile_is_looked_at()
    {
        var admission = Make(1);
        var permits = Fill(admission, 0, 1, 1);
        var waiter = Wait(admission, 1);
        // Due at 1.1, and not looked at before 1.2: the answer that frees the seat is read a moment later.
        admission.Advance(At.Seconds(1.2));
        Assert.Null(waiter.Verdict);
        Assert.Equal(At.Seconds(1.225), admission.NextEvent(At.Seconds(1.2)));
        admission.Release(permits[0], Route, OutcomeKind.Success, At.Seconds(1.21));
        Assert.Equal(AdmissionVerdict.Admitted, waiter.Verdict);

        var second = Wait(admission, 1.3);
        admission.Advance(At.Seconds(1.5));
        Assert.Null(second.Verdict);
        admission.Advance(At.Seconds(1.525));
        Assert.Equal(AdmissionVerdict.Overloaded, second.Verdict);
    }

    [Fact]
    public void A_queue_that_stands_serves_the_newest_and_waits_5_ms()
    {
        var admission = Make(1);
        var permit = Fill(admission, 0, 1, 1)[0];
        var old = Wait(admission, 1);
        admission.Advance(At.Seconds(1.1));
        Assert.Equal(AdmissionVerdict.Overloaded, old.Verdict);
        var second = Wait(admission, 1.11);
        var third = Wait(admission, 1.112);
        admission.Release(permit, Route, OutcomeKind.Success, At.Seconds(1.113));
        Assert.Equal(AdmissionVerdict.Admitted, third.Verdict);
        admission.Advance(At.Seconds(1.116));
        Assert.Equal(AdmissionVerdict.Overloaded, second.Verdict);
        Assert.Equal(At.Ms(6), second.Told[0].Waited);
    }

    [Fact]
    public void A_full_queue_refuses_the_newcomer_or_the_oldest_when_it_stands()
    {
        var options = new AdmissionOptions { Limit = new ConcurrencyLimitOptions { Fixed = 1 }, Queue = 1 };
        var admission = new AdmissionController(options);
        Fill(admission, 0, 1, 1);
        var first = Wait(admission, 1);
        Assert.Equal(AdmissionVerdict.QueueFull, admission.TryAdmit(0, new Waiter(), default, At.Seconds(1)).Verdict);
        admission.Advance(At.Seconds(1.1));
        Assert.Equal(AdmissionVerdict.Overloaded, first.Verdict);
        var standing = Wait(admission, 1.11);
        var newest = Wait(admission, 1.112);
        Assert.Equal(AdmissionVerdict.QueueFull, standing.Verdict);
        Assert.Null(newest.Verdict);
    }

    [Fact]
    public void A_call_without_enough_time_left_is_refused_before_it_waits_and_dropped_when_it_has_waited()
    {
        var admission = Make(1);
        var permit = Fill(admission, 0, 1, 1)[0];
        Assert.Equal(AdmissionVerdict.DeadlineTooNear, admission.TryAdmit(0, new Waiter(), Deadline.After(At.Seconds(1), default), At.Seconds(1)).Verdict);
        var expired = Wait(admission, 1, 0, Deadline.After(At.Seconds(1), At.Ms(20)));
        var patient = Wait(admission, 1.01);
        admission.Release(permit, Route, OutcomeKind.Success, At.Seconds(1.05));
        Assert.Equal(AdmissionVerdict.DeadlineTooNear, expired.Verdict);
        Assert.Equal(AdmissionVerdict.Admitted, patient.Verdict);
    }

    [Fact]
    public void Whoever_leaves_the_queue_is_told_nothing()
    {
        var admission = Make(1);
        var permit = Fill(admission, 0, 1, 1)[0];
        var left = Wait(admission, 1);
        var stays = Wait(admission, 1);
        Assert.True(admission.Cancel(left, At.Seconds(1.01)));
        Assert.False(admission.Cancel(left, At.Seconds(1.01)));
        admission.Release(permit, Route, OutcomeKind.Success, At.Seconds(1.02));
        Assert.Null(left.Verdict);
        Assert.False(admission.Cancel(stays, At.Seconds(1.02)));
    }

    [Fact]
    public void A_class_that_lends_nothing_finds_its_seats_free_and_a_lent_seat_comes_back_first()
    {
        var admission = Make(10, (50, 0), (40, 1), (10, 1));
        var batch = Fill(admission, 2, 5, 1);
        var waiting = Wait(admission, 1, 2);
        Fill(admission, 0, 5, 1);
        Assert.Equal((10, 1), (admission.InFlight, admission.Waiting));
        var standard = Wait(admission, 1.001, 1);
        admission.Release(batch[0], Route, OutcomeKind.Success, At.Seconds(1.01));
        Assert.Equal(AdmissionVerdict.Admitted, standard.Verdict);
        Assert.Null(waiting.Verdict);
    }

    [Fact]
    public void Idle_shares_that_are_lent_are_used_whole()
    {
        var admission = Make(10, (50, 1), (40, 1), (10, 1));
        Fill(admission, 2, 10, 1);
        Assert.Equal(AdmissionVerdict.Overloaded, admission.TryAdmit(2, null, default, At.Seconds(1)).Verdict);
    }

    [Fact]
    public void Excess_over_the_capacity_waits_and_then_is_told_so()
    {
        var options = new AdmissionOptions { Limit = new ConcurrencyLimitOptions { Fixed = 100 }, Capacity = new RateLimitOptions { Limit = 20, Burst = 1 } };
        var admission = new AdmissionController(options);
        Fill(admission, 0, 1, 1);
        var second = Wait(admission, 1);
        var third = Wait(admission, 1);
        var fourth = Wait(admission, 1.001);
        Assert.Equal(At.Seconds(1.05), admission.NextEvent(At.Seconds(1.001)));
        admission.Advance(At.Seconds(1.05));
        Assert.Equal(AdmissionVerdict.Admitted, second.Verdict);
        admission.Advance(At.Seconds(1.1));
        admission.Advance(At.Seconds(1.102));
        // What the capacity has for one of them is not left lying because both have waited long.
        Assert.Equal([AdmissionVerdict.Admitted, AdmissionVerdict.OverCapacity], new[] { third.Verdict!.Value, fourth.Verdict!.Value }.Order());
    }

    [Fact]
    public void An_abandoned_attempt_counts_until_its_answer_or_for_the_usual_latency()
    {
        var admission = Make(2);
        var first = Fill(admission, 0, 1, 1)[0];
        admission.Release(first, Route, OutcomeKind.Success, At.Seconds(1.1));
        var permits = Fill(admission, 0, 2, 2);
        var answered = admission.Abandon(permits[0], Route, At.Seconds(2.5));
        admission.Abandon(permits[1], Route, At.Seconds(2.5));
        Assert.Equal(2, admission.InFlight);
        var waiter = Wait(admission, 2.51);
        admission.Answered(answered, At.Seconds(2.52));
        Assert.Equal(AdmissionVerdict.Admitted, waiter.Verdict);
        admission.Answered(answered, At.Seconds(2.53));
        Assert.Equal(2, admission.InFlight);
        admission.Advance(At.Seconds(2.599));
        Assert.Equal(2, admission.InFlight);
        admission.Advance(At.Seconds(2.6));
        Assert.Equal(1, admission.InFlight);
    }

    [Fact]
    public void Reload_keeps_who_is_in_flight_and_refuses_who_waits_in_a_class_that_is_gone()
    {
        var admission = Make(2, (1, 1), (1, 1));
        Fill(admission, 0, 2, 1);
        var gone = Wait(admission, 1, 1);
        var stays = Wait(admission, 1);
        admission.Update(new AdmissionOptions { Limit = new ConcurrencyLimitOptions { Fixed = 3 } }, At.Seconds(1.01));
        Assert.Equal(AdmissionVerdict.Cancelled, gone.Verdict);
        Assert.Equal(AdmissionVerdict.Admitted, stays.Verdict);
        Assert.Equal(3, admission.InFlight);
    }

    [Fact]
    public void Admitting_waiting_and_refusing_allocate_nothing()
    {
        var admission = Make(1);
        var waiter = new Waiter();
        Cycle();
        waiter.Told.Capacity = 10_000;
        var before = GC.GetAllocatedBytesForCurrentThread();
        for (var i = 0; i < 1_000; i++)
            Cycle();
        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);

        void Cycle()
        {
            var permit = admission.TryAdmit(0, null, default, At.Seconds(1)).Permit;
            admission.TryAdmit(0, null, default, At.Seconds(1));
            admission.TryAdmit(0, waiter, default, At.Seconds(1));
            admission.Release(permit, Route, OutcomeKind.Success, At.Seconds(1));
            admission.Release(waiter.Told[^1].Permit, Route, OutcomeKind.Success, At.Seconds(1));
        }
    }

    [Fact]
    public async Task Many_threads_never_exceed_the_limit_and_leave_nobody_behind()
    {
        var admission = Make(3, (1, 1), (1, 1));
        var most = 0;
        await Task.WhenAll(Enumerable.Range(0, 6).Select(n => Task.Run(
            () =>
            {
                var waiter = new Waiter();
                for (var i = 0; i < 3_000; i++)
                {
                    waiter.Last = new TaskCompletionSource<AdmissionDecision>();
                    var decision = admission.TryAdmit(n % 2, waiter, default, At.Seconds(1));
                    if (decision.Verdict == AdmissionVerdict.Queued && !admission.Cancel(waiter, At.Seconds(1)))
                    {
                        decision = waiter.Last!.Task.GetAwaiter().GetResult();
                    }

                    if (decision.Verdict != AdmissionVerdict.Admitted)
                        continue;
                    var inFlight = admission.InFlight;
                    if (inFlight > most)
                        most = inFlight;
                    admission.Release(decision.Permit, Route, OutcomeKind.Failure, At.Seconds(1));
                }
            },
            TestContext.Current.CancellationToken)));
        Assert.InRange(most, 1, 3);
        Assert.Equal((0, 0), (admission.InFlight, admission.Waiting));
    }

    [Fact]
    public void All_errors_of_the_options_come_at_once()
    {
        var errors = new AdmissionOptions
        {
            Limit = new ConcurrencyLimitOptions { Min = 0 },
            Capacity = new RateLimitOptions { Limit = -1 },
            Classes = [new ShareOptions { Name = "a", Share = 0, Lend = 2 }, new ShareOptions { Name = "a" }],
            Queue = -1,
            Wait = At.S(-1),
            StandingAfter = default,
        }.Validate();
        Assert.Equal(9, errors.Count);
        Assert.Contains(errors, error => error.Option == "Capacity.Limit");
    }
}
