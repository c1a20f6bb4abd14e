using Malha.Bench.Overload;
using Malha.Bench.Overload.Figures;

namespace Malha.Tests.OverloadBench;

/// <summary>The arithmetic behind the tables of bench/overload.</summary>
public sealed class FiguresTests
{
    [Theory]
    [InlineData(0.0, 1)]
    [InlineData(0.5, 50)]
    [InlineData(0.99, 99)]
    [InlineData(0.991, 100)]
    [InlineData(1.0, 100)]
    public void A_percentile_is_the_value_of_the_nearest_rank(double p, double expected)
    {
        var values = Enumerable.Range(1, 100).Reverse().Select(i => (long)i).ToArray();
        Assert.Equal(expected, Percentile.Of(values, p));
    }

    [Fact]
    public void Of_no_values_there_is_no_percentile() => Assert.Null(Percentile.Of([], 0.99));

    [Fact]
    public void Goodput_is_a_share_of_the_capacity_when_more_was_asked()
    {
        var figures = CallFigures.Of([.. Calls(30, Outcome.Good), .. Calls(70, Outcome.Refused, status: 503)], capacityPerSecond: 20, seconds: 2);
        Assert.Equal(30 / 40.0, figures.Goodput);
        Assert.Equal(0.3, figures.GoodShare);
        Assert.Equal(70, figures.Statuses[503]);
    }

    [Fact]
    public void Goodput_is_a_share_of_what_was_asked_when_that_is_less()
    {
        var figures = CallFigures.Of([.. Calls(9, Outcome.Good), .. Calls(1, Outcome.TimedOut)], capacityPerSecond: 20, seconds: 2);
        Assert.Equal(0.9, figures.Goodput);
    }

    [Fact]
    public void Without_a_capacity_there_is_no_goodput() =>
        Assert.Null(CallFigures.Of([.. Calls(9, Outcome.Good)], capacityPerSecond: null, seconds: 1).Goodput);

    [Fact]
    public void A_late_answer_is_not_good_and_a_call_left_open_has_timed_out()
    {
        var figures = CallFigures.Of([.. Calls(1, Outcome.Late), .. Calls(2, Outcome.Open), .. Calls(3, Outcome.TimedOut)], 100, 1);
        Assert.Equal((0, 1, 5), (figures.Good, figures.Late, figures.TimedOut));
    }

    [Fact]
    public void Latencies_of_good_calls_and_of_refusals_are_kept_apart()
    {
        var figures = CallFigures.Of(
            [new CallRecord(0, Outcome.Good, 200, 50 * PreciseTime.Millisecond), new CallRecord(0, Outcome.Refused, 503, PreciseTime.Millisecond)], 100, 1);
        Assert.Equal((50.0, 1.0), (figures.GoodP99Ms, figures.RefusedP99Ms));
    }

    [Fact]
    public void Calls_count_in_the_second_in_which_they_were_to_be_sent()
    {
        var seconds = CallFigures.BySecond(
            [
                new CallRecord(999 * PreciseTime.Millisecond, Outcome.Good, 200, 500 * PreciseTime.Millisecond),
                new CallRecord(1000 * PreciseTime.Millisecond, Outcome.Refused, 503, 0),
                new CallRecord(1999 * PreciseTime.Millisecond, Outcome.TimedOut, 0, 0),
            ], 3);
        Assert.Equal([new SecondFigures(0, 1, 1, 0, 0), new SecondFigures(1, 2, 0, 1, 1), new SecondFigures(2, 0, 0, 0, 0)], seconds);
    }

    [Theory]
    [InlineData("bbGGGGG", 2, 0)]
    [InlineData("GGbbbGGGGG", 2, 3)]
    [InlineData("bbGGGGbGGGGGb", 2, 5)]
    [InlineData("bbGGGG", 2, null)]
    [InlineData("GGGGGbbbb", 5, null)]
    [InlineData("GGGGGGGGG", 9, null)]
    [InlineData("bb-GGGGG", 2, 1)]
    public void A_system_is_back_at_the_first_of_five_good_seconds_in_a_row_after_the_trigger(string seconds, int triggerEnds, int? back) =>
        Assert.Equal(back, Recovery.BackAfter([.. seconds.Select(Second)], triggerEnds));

    [Fact]
    public void A_second_is_good_from_95_percent_on()
    {
        Assert.Equal(0, Recovery.BackAfter([.. Enumerable.Repeat(new SecondFigures(0, 100, 95, 5, 0), 5)], 0));
        Assert.Null(Recovery.BackAfter([.. Enumerable.Repeat(new SecondFigures(0, 100, 94, 6, 0), 5)], 0));
    }

    /// <summary>G: all good; b: none; -: nobody called.</summary>
    private static SecondFigures Second(char kind, int second) =>
        new(second, Sent: kind == '-' ? 0 : 100, Good: kind == 'G' ? 100 : 0, Refused: 0, Failed: kind == 'b' ? 100 : 0);

    private static IEnumerable<CallRecord> Calls(int count, Outcome outcome, int status = 0) =>
        Enumerable.Repeat(new CallRecord(0, outcome, status, PreciseTime.Millisecond), count);
}
