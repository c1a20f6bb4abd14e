using System.Diagnostics;
using CsCheck;
using Malha.Proxy.Timing;
using Microsoft.Extensions.Time.Testing;

namespace Malha.Tests.Timing;

public sealed class TimerWheelTests : IDisposable
{
    private const long Turn = 1024L * TimerWheel.TickMs;

    private readonly FakeTimeProvider _time = new();
    private readonly TimerWheel _wheel;

    public TimerWheelTests() => _wheel = new TimerWheel(_time);

    public void Dispose() => _wheel.Dispose();

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(9)]
    [InlineData(10)]
    [InlineData(11)]
    [InlineData(1_000)]
    [InlineData(10_230)]
    [InlineData(10_240)]
    [InlineData(10_241)]
    [InlineData(75_000)]
    [InlineData(3_600_000)]
    public void A_deadline_is_met_within_one_tick_and_never_early(int delay)
    {
        Advance(1_230);
        var entry = new Entry(_wheel);
        var deadline = _wheel.NowMs + delay;
        entry.Arm(_wheel, deadline);

        Advance(delay + (2 * TimerWheel.TickMs));
        Assert.Equal(1, entry.Met);
        // A deadline that has come already waits for the next tick.
        Assert.InRange(entry.MetAt, deadline, deadline + (delay == 0 ? TimerWheel.TickMs : TimerWheel.TickMs - 1));
        Assert.Equal(TimerEntry.None, entry.Deadline);

        Advance((2 * Turn) + delay);
        Assert.Equal(1, entry.Met);
    }

    [Fact]
    public void A_deadline_between_ticks_of_any_phase_is_met_within_two_and_never_early()
    {
        for (var phase = 0; phase < TimerWheel.TickMs; phase++)
        {
            var time = new JumpingTime();
            using var wheel = new TimerWheel(time);
            time.Jump(TimeSpan.FromMilliseconds(phase));
            var entries = Enumerable.Range(0, 100).Select(_ => new Entry(wheel)).ToArray();
            foreach (var (delay, entry) in entries.Index())
                entry.Arm(wheel, phase + 20 + delay);
            for (var tick = 0; tick < 20; tick++)
                time.Jump(TimeSpan.FromMilliseconds(TimerWheel.TickMs));
            Assert.All(entries.Index(), pair => Assert.InRange(pair.Item.MetAt - (phase + 20 + pair.Index), 0, (2 * TimerWheel.TickMs) - 1));
        }
    }

    [Fact]
    public void After_lies_ahead_at_least_as_far_as_it_says()
    {
        Advance(1_239);
        Assert.Equal(1_230, _wheel.NowMs);
        Assert.InRange(_wheel.After(TimeSpan.FromMilliseconds(100)), 1_339, 1_349);
        Assert.Equal(TimerEntry.None, _wheel.After(Timeout.InfiniteTimeSpan));
    }

    [Fact]
    public void A_deadline_that_moves_away_is_met_where_it_is_then()
    {
        var entry = new Entry(_wheel);
        for (var request = 0; request < 100; request++)
        {
            entry.Arm(_wheel, _wheel.NowMs + 500);
            Advance(200);
        }
        Assert.Equal(0, entry.Met);
        Advance(310);
        Assert.Equal(1, entry.Met);
    }

    [Fact]
    public void A_deadline_that_comes_closer_is_met_where_it_is_then()
    {
        var entry = new Entry(_wheel);
        entry.Arm(_wheel, 60_000);
        entry.Arm(_wheel, 5_000);
        entry.Arm(_wheel, 100);
        Advance(110);
        Assert.Equal(1, entry.Met);
        Advance(70_000);
        Assert.Equal(1, entry.Met);
    }

    [Fact]
    public void A_deadline_that_has_passed_is_met_at_the_next_tick()
    {
        Advance(500);
        var entry = new Entry(_wheel);
        entry.Arm(_wheel, 100);
        Assert.Equal(0, entry.Met);
        Advance(TimerWheel.TickMs);
        Assert.Equal(1, entry.Met);
    }

    [Fact]
    public void What_is_disarmed_or_removed_is_not_met()
    {
        var disarmed = new Entry(_wheel);
        var removed = new Entry(_wheel);
        disarmed.Arm(_wheel, 100);
        removed.Arm(_wheel, 100);
        disarmed.Disarm();
        _wheel.Remove(removed);
        _wheel.Remove(removed);
        Advance(2 * Turn);
        Assert.Equal((0, 0), (disarmed.Met, removed.Met));

        disarmed.Arm(_wheel, _wheel.NowMs + 50);
        removed.Arm(_wheel, _wheel.NowMs + 50);
        Advance(60);
        Assert.Equal((1, 1), (disarmed.Met, removed.Met));
    }

    [Fact]
    public void An_entry_can_be_armed_again_when_its_deadline_is_met()
    {
        Entry entry = null!;
        entry = new Entry(_wheel, () => entry.Arm(_wheel, _wheel.NowMs + 100));
        entry.Arm(_wheel, 100);
        Advance(1_000);
        Assert.Equal(10, entry.Met);
    }

    [Fact]
    public void Many_entries_of_one_slot_are_met_and_removed_alone()
    {
        var entries = Enumerable.Range(0, 100).Select(_ => new Entry(_wheel)).ToArray();
        foreach (var entry in entries)
            entry.Arm(_wheel, 200);
        for (var place = 0; place < entries.Length; place += 3)
            _wheel.Remove(entries[place]);
        Advance(200);
        Assert.All(entries.Index(), pair => Assert.Equal(pair.Index % 3 == 0 ? 0 : 1, pair.Item.Met));
    }

    [Fact]
    public void A_clock_that_jumps_an_hour_meets_all_that_is_due_once_and_nothing_else()
    {
        // One callback after the jump, as after a machine's sleep; the fake's own timer would tick through it.
        var time = new JumpingTime();
        using var wheel = new TimerWheel(time);
        var due = Enumerable.Range(0, 3_000).Select(_ => new Entry(wheel)).ToArray();
        foreach (var (place, entry) in due.Index())
            entry.Arm(wheel, place * 1_200L);
        var later = new Entry(wheel);
        later.Arm(wheel, 3_600_500);

        time.Jump(TimeSpan.FromHours(1));
        Assert.All(due, entry => Assert.Equal(1, entry.Met));
        Assert.Equal(0, later.Met);
        time.Jump(TimeSpan.FromMilliseconds(490));
        Assert.Equal(0, later.Met);
        time.Jump(TimeSpan.FromMilliseconds(10));
        Assert.Equal(1, later.Met);
    }

    [Fact]
    public void Random_operations_agree_with_a_simple_model() =>
        Gen.Select(Gen.Int[0, 9], Gen.Int[0, 19], Gen.Frequency((6, Gen.Int[0, 300]), (2, Gen.Int[0, 12_000]), (1, Gen.Int[0, 200_000])))
            .Array[10_000].Sample(Run, iter: 3, seed: "0N0XIzNsQ0O2", threads: 1);

    private static void Run((int Kind, int Entry, int Amount)[] operations)
    {
        var time = new JumpingTime();
        using var wheel = new TimerWheel(time);
        var entries = Enumerable.Range(0, 20).Select(_ => new Entry(wheel)).ToArray();
        var model = new (long Deadline, int Met)[entries.Length];
        Array.Fill(model, (TimerEntry.None, 0));
        foreach (var (kind, which, amount) in operations)
        {
            if (kind < 5)
            {
                model[which].Deadline = wheel.NowMs + amount;
                entries[which].Arm(wheel, model[which].Deadline);
            }
            else if (kind < 7)
            {
                model[which].Deadline = TimerEntry.None;
                if (kind == 5)
                    entries[which].Disarm();
                else
                    wheel.Remove(entries[which]);
            }
            else
            {
                // Whole ticks, so that what is due is what the wheel's time has reached.
                time.Jump(TimeSpan.FromMilliseconds((amount / TimerWheel.TickMs * TimerWheel.TickMs) + TimerWheel.TickMs));
                for (var place = 0; place < model.Length; place++)
                {
                    if (model[place].Deadline <= wheel.NowMs)
                        model[place] = (TimerEntry.None, model[place].Met + 1);
                }
            }
            for (var place = 0; place < model.Length; place++)
                Assert.Equal(model[place], (entries[place].Deadline, entries[place].Met));
        }
    }

    [Fact]
    public async Task A_deadline_set_while_the_wheel_turns_is_never_lost()
    {
        // Whoever arms last must be met, however the arming fell together with the wheel's look at the entry.
        var time = new JumpingTime();
        using var wheel = new TimerWheel(time);
        var entries = Enumerable.Range(0, 8).Select(_ => new Entry(wheel)).ToArray();
        for (var round = 0; round < 300; round++)
        {
            var before = entries.Select(entry => entry.Met).ToArray();
            using var started = new CountdownEvent(2);
            var workers = Enumerable.Range(0, 2).Select(worker => Task.Run(() =>
            {
                var random = new Random((round * 2) + worker);
                started.Signal();
                started.Wait();
                for (var step = 0; step < 200; step++)
                {
                    // Each worker owns half of the entries.
                    var entry = entries[(random.Next(4) * 2) + worker];
                    if (random.Next(4) == 0)
                        entry.Disarm();
                    else
                        entry.Arm(wheel, wheel.NowMs + random.Next(60));
                }
                for (var place = worker; place < entries.Length; place += 2)
                {
                    entries[place].Disarm();
                    before[place] = entries[place].Met;
                    entries[place].Arm(wheel, wheel.NowMs + 50_000 + random.Next(30));
                }
            }, TestContext.Current.CancellationToken)).ToArray();
            started.Wait(TestContext.Current.CancellationToken);
            while (!Array.TrueForAll(workers, worker => worker.IsCompleted))
                time.Jump(TimeSpan.FromMilliseconds(7));
            await Task.WhenAll(workers);

            time.Jump(TimeSpan.FromMilliseconds(120_000));
            for (var place = 0; place < entries.Length; place++)
                Assert.Equal((place, TimerEntry.None), (place, entries[place].Deadline));
            Assert.All(entries.Zip(before), pair => Assert.True(pair.First.Met > pair.Second));
        }
    }

    [Fact]
    public async Task A_deadline_set_at_the_very_moment_of_the_wheels_look_is_never_lost()
    {
        var time = new JumpingTime();
        using var wheel = new TimerWheel(time);
        var entry = new Entry(wheel);
        var trial = 0;
        var armed = 0;
        var over = false;
        var worker = Task.Run(() =>
        {
            for (var next = 1; ; next++)
            {
                while (Volatile.Read(ref trial) < next)
                {
                    if (Volatile.Read(ref over))
                        return;
                    Thread.SpinWait(1);
                }
                entry.Arm(wheel, wheel.NowMs + 1_000);
                Volatile.Write(ref armed, next);
            }
        }, TestContext.Current.CancellationToken);

        // As many trials as fit: two threads that meet to the instruction need luck.
        var lost = 0;
        for (var watch = Stopwatch.StartNew(); watch.ElapsedMilliseconds < 1_000 && lost == 0;)
        {
            entry.Arm(wheel, wheel.NowMs + 1);
            Volatile.Write(ref trial, trial + 1);
            time.Jump(TimeSpan.FromMilliseconds(TimerWheel.TickMs));
            while (Volatile.Read(ref armed) < trial)
                Thread.SpinWait(1);
            time.Jump(TimeSpan.FromMilliseconds(1_020));
            lost = entry.Deadline == TimerEntry.None ? 0 : trial;
        }
        Volatile.Write(ref over, true);
        await worker;
        Assert.Equal(0, lost);
    }

    // Tick by tick: one long step would show its end to every callback on the way.
    private void Advance(long milliseconds)
    {
        for (; milliseconds > TimerWheel.TickMs; milliseconds -= TimerWheel.TickMs)
            _time.Advance(TimeSpan.FromMilliseconds(TimerWheel.TickMs));
        _time.Advance(TimeSpan.FromMilliseconds(milliseconds));
    }

    private sealed class Entry(TimerWheel wheel, Action? then = null) : TimerEntry
    {
        public int Met { get; private set; }

        public long MetAt { get; private set; }

        protected internal override void OnDeadline()
        {
            Met++;
            MetAt = wheel.NowMs;
            then?.Invoke();
        }
    }

    /// <summary>A clock that moves when it is told to, and calls its one timer once for each move.</summary>
    private sealed class JumpingTime : TimeProvider
    {
        private Action? _tick;
        private long _now;

        public override long TimestampFrequency => 1_000_000;

        public override long GetTimestamp() => Volatile.Read(ref _now);

        public void Jump(TimeSpan time)
        {
            Interlocked.Add(ref _now, (long)time.TotalMicroseconds);
            _tick!();
        }

        public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
        {
            _tick = () => callback(state);
            return new Timer();
        }

        private sealed class Timer : ITimer
        {
            public bool Change(TimeSpan dueTime, TimeSpan period) => true;

            public void Dispose()
            {
            }

            public ValueTask DisposeAsync() => ValueTask.CompletedTask;
        }
    }
}
