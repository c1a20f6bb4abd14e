using Malha.Resilience;

namespace Malha.Tests.Resilience;

public sealed class DeadlineTests
{
    private static readonly DeadlineOptions Options = new() { Timeout = At.S(2), AttemptTimeout = At.Ms(800) };

    [Fact]
    public void Default_never_comes()
    {
        Assert.True(default(Deadline).IsNone);
        Assert.False(Deadline.None.HasPassed(Moment.Never));
        Assert.True(Deadline.None.CanMeet(At.Seconds(1), TimeSpan.MaxValue));
        Assert.Null(Deadline.None.ToWire(default));
        Assert.Equal(TimeSpan.MaxValue, Deadline.None.Remaining(At.Seconds(5)));
    }

    [Theory]
    [InlineData(500L, 500)]
    [InlineData(5_000L, 2_000)]
    [InlineData(0L, 0)]
    [InlineData(-3L, 0)]
    [InlineData(long.MaxValue, 2_000)]
    [InlineData(null, 2_000)]
    public void A_caller_can_only_shorten_what_the_operator_grants(long? left, int expectedMs) =>
        Assert.Equal(At.Ms(expectedMs), Deadline.Start(At.Seconds(7), Options, left).Remaining(At.Seconds(7)));

    [Fact]
    public void On_the_wire_it_is_rounded_down_and_never_negative()
    {
        var deadline = Deadline.After(At.Seconds(1), At.Ms(100));
        Assert.Equal(99, deadline.ToWire(At.Seconds(1.0005)));
        Assert.Equal(0, deadline.ToWire(At.Seconds(3)));
    }

    [Fact]
    public void What_cannot_be_done_in_time_is_not_begun()
    {
        var deadline = Deadline.After(At.Seconds(1), At.Ms(100));
        Assert.True(deadline.CanMeet(At.Seconds(1), At.Ms(99)));
        Assert.False(deadline.CanMeet(At.Seconds(1), At.Ms(100)));
        Assert.False(deadline.CanMeet(At.Seconds(1.05), At.Ms(60)));
        Assert.False(deadline.CanMeet(At.Seconds(1), TimeSpan.MaxValue));
        Assert.True(deadline.HasPassed(At.Seconds(1.1)));
    }

    [Fact]
    public void An_attempt_ends_with_its_own_timeout_or_with_the_call()
    {
        var call = Deadline.Start(At.Seconds(0), Options, null);
        Assert.Equal(At.Seconds(.8), call.ForAttempt(At.Seconds(0), Options).At);
        Assert.Equal(At.Seconds(2), call.ForAttempt(At.Seconds(1.5), Options).At);
        Assert.Equal(At.Seconds(2), call.ForAttempt(At.Seconds(0), Options with { AttemptTimeout = null }).At);
    }

    [Fact]
    public void All_errors_of_the_options_come_at_once() =>
        Assert.Equal(["Timeout", "AttemptTimeout", "AttemptTimeout"], new DeadlineOptions { Timeout = At.S(-1), AttemptTimeout = TimeSpan.Zero }.Validate().Select(e => e.Option));
}
