using Malha.Configuration;
using Malha.Delivery.Callbacks;
using Malha.Delivery.Operations;
using Malha.Tests.Configuration;

namespace Malha.Tests.Delivery.Callbacks;

/// <summary>When ends are told again, in times of the test's own.</summary>
public sealed class CallbackScheduleTests
{
    private static readonly DateTimeOffset Start = DateTimeOffset.FromUnixTimeSeconds(1_700_000_000);

    private static readonly DeliveryConfig Keys = Yaml.Good("""
        listeners: { edge: { address: 127.0.0.1:0 } }
        delivery: { path: data, backoff: 1s..60s, callbacks: { secrets: env:WEBHOOK_SECRET, ttl: 10m } }
        routes: [ { respond: {} } ]
        """).Delivery!;

    private static Operation Ended => CallbackSchedule.Settled(new Operation
    {
        Id = default, Owner = "anybody", Service = "pay", Lane = "pay", Acks = AckLevel.All, Method = "POST", Target = "/", Created = Start, Due = Start,
        Callback = "https://shop.example/hooks", State = OperationState.Succeeded, Finished = Start,
    }, Start);

    [Fact]
    public void What_has_ended_is_told_at_once_and_what_waits_is_not()
    {
        Assert.Equal((CallbackState.Pending, Start), (Ended.CallbackState, Ended.CallbackDue));
        Assert.Equal(CallbackState.None, CallbackSchedule.Settled(Ended with { State = OperationState.Waiting }, Start).CallbackState);
        Assert.Equal(CallbackState.None, CallbackSchedule.Settled(Ended with { Callback = "", CallbackState = CallbackState.None }, Start).CallbackState);
    }

    [Fact]
    public void A_dead_letter_that_waits_again_forgets_what_was_told_and_is_told_anew()
    {
        var told = CallbackSchedule.After(Ended with { State = OperationState.Dead }, new CallbackOutcome(204), Keys, 0, Start);
        var again = CallbackSchedule.Settled(told with { State = OperationState.Waiting }, Start);
        Assert.Equal((CallbackState.None, 0, 0), (again.CallbackState, again.CallbackAttempts, again.CallbackStatus));
        Assert.Equal(CallbackState.Pending, CallbackSchedule.Settled(again with { State = OperationState.Succeeded }, Start).CallbackState);
    }

    [Theory]
    [InlineData(200, CallbackState.Delivered)]
    [InlineData(204, CallbackState.Delivered)]
    [InlineData(410, CallbackState.Gone)]
    [InlineData(302, CallbackState.Pending)]
    [InlineData(404, CallbackState.Pending)]
    [InlineData(500, CallbackState.Pending)]
    [InlineData(0, CallbackState.Pending)]
    public void Only_2xx_is_taken_and_410_ends_it(int status, object state)
    {
        var after = CallbackSchedule.After(Ended, new CallbackOutcome(status), Keys, 1, Start);
        Assert.Equal(((CallbackState)state, status, 1), (after.CallbackState, after.CallbackStatus, after.CallbackAttempts));
        Assert.Equal(after.CallbackState == CallbackState.Pending, after.CallbackDue is not null);
    }

    [Fact]
    public void The_waits_double_to_the_longest_and_end_with_the_time_to_live()
    {
        var (operation, now) = (Ended, Start);
        var waits = new List<double>();
        while (operation.CallbackState == CallbackState.Pending)
        {
            now = operation.CallbackDue!.Value;
            operation = CallbackSchedule.After(operation, new CallbackOutcome(0, "timed-out"), Keys, 1, now);
            if (operation.CallbackDue is { } due)
                waits.Add((due - now).TotalSeconds);
        }
        Assert.Equal(CallbackState.GivenUp, operation.CallbackState);
        Assert.Equal([1, 2, 4, 8, 16, 32, 60, 60, 60, 60, 60, 60, 60, 60], waits);
        Assert.InRange(now - Start, TimeSpan.FromMinutes(9), TimeSpan.FromMinutes(10));
    }

    [Fact]
    public void Half_of_a_wait_is_chance_and_Retry_After_is_kept_up_to_the_longest()
    {
        DateTimeOffset? Due(double chance, int? retryAfter) => CallbackSchedule.After(
            Ended, new CallbackOutcome(503, "", retryAfter is { } seconds ? TimeSpan.FromSeconds(seconds) : null), Keys, chance, Start).CallbackDue;
        Assert.Equal(Start.AddSeconds(0.5), Due(0, null));
        Assert.Equal(Start.AddSeconds(30), Due(0, 30));
        Assert.Equal(Start.AddSeconds(60), Due(0, 86_400));
    }
}
