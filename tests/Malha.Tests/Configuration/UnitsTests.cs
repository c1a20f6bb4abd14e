using CsCheck;
using Malha.Configuration;

namespace Malha.Tests.Configuration;

public sealed class UnitsTests
{
    [Theory]
    [InlineData("250ms", 250)]
    [InlineData("2s", 2_000)]
    [InlineData("1.5s", 1_500)]
    [InlineData("5m", 300_000)]
    [InlineData("1h", 3_600_000)]
    [InlineData("0.5ms", 0.5)]
    [InlineData("0s", 0)]
    public void A_duration_is_read(string text, double milliseconds)
    {
        Assert.Null(Units.ReadDuration(text, out var duration));
        Assert.Equal(milliseconds, duration.TotalMilliseconds);
    }

    [Theory]
    [InlineData("2", "\"2\" has no unit; write 2ms or 2s")]
    [InlineData("2S", "\"2S\": \"S\" is no unit of a duration; write 2s")]
    [InlineData("2 s", "\"2 s\": \" s\" is no unit of a duration")]
    [InlineData("2sec", "\"2sec\": \"sec\" is no unit of a duration; write 2s")]
    [InlineData("5min", "\"5min\": \"min\" is no unit of a duration; write 5m")]
    [InlineData("5msec", "\"5msec\": \"msec\" is no unit of a duration; write 5ms")]
    [InlineData("5d", "\"5d\": \"d\" is no unit of a duration")]
    [InlineData("1h30m", "\"1h30m\": \"h30m\" is no unit of a duration")]
    [InlineData("-2s", "\"-2s\" is not a duration")]
    [InlineData("s", "\"s\" is not a duration")]
    [InlineData("", "\"\" is not a duration")]
    [InlineData(".5s", "\".5s\" is not a duration")]
    [InlineData("1.s", "\"1.s\" is not a duration")]
    [InlineData("1.2.3s", "\"1.2.3s\" is not a duration")]
    [InlineData("99999999999999999s", "\"99999999999999999s\" is not a duration")]
    [InlineData("9999999h", "\"9999999h\" is longer than a year")]
    [InlineData("٣s", "\"٣s\" is not a duration")]
    public void A_duration_that_is_none_is_explained(string text, string problem) => Assert.Equal(problem, Units.ReadDuration(text, out _));

    [Theory]
    [InlineData("0B", 0)]
    [InlineData("64KiB", 65_536)]
    [InlineData("1.5KiB", 1_536)]
    [InlineData("10MB", 10_000_000)]
    [InlineData("1GiB", 1_073_741_824)]
    public void A_size_is_read(string text, long bytes)
    {
        Assert.Null(Units.ReadSize(text, out var size));
        Assert.Equal(bytes, size);
    }

    [Theory]
    [InlineData("64", "\"64\" has no unit; write 64B or 64KiB")]
    [InlineData("64kb", "\"64kb\": \"kb\" is no unit of a size; write 64KB")]
    [InlineData("64K", "\"64K\": \"K\" is no unit of a size")]
    [InlineData("0.3B", "\"0.3B\" is not a whole number of bytes")]
    [InlineData("2000GiB", "\"2000GiB\" is more than 1024GiB")]
    public void A_size_that_is_none_is_explained(string text, string problem) => Assert.Equal(problem, Units.ReadSize(text, out _));

    [Theory]
    [InlineData("100/s", 100, 1)]
    [InlineData("60/min", 60, 60)]
    [InlineData("0.5/s", 0.5, 1)]
    [InlineData("3600/h", 3600, 3600)]
    public void A_rate_is_read(string text, double count, double seconds)
    {
        Assert.Null(Units.ReadRate(text, out var rate));
        Assert.Equal(new Rate(count, TimeSpan.FromSeconds(seconds)), rate);
        Assert.Equal(text, rate.ToString());
    }

    [Theory]
    [InlineData("100", "\"100\" has no unit; write 100/s or 100/min")]
    [InlineData("100/m", "\"100/m\": \"m\" is no unit of a rate")]
    [InlineData("0/s", "\"0/s\" is not a rate")]
    [InlineData("/s", "\"/s\" is not a rate")]
    [InlineData("many", "\"many\" is not a rate")]
    public void A_rate_that_is_none_is_explained(string text, string problem) => Assert.Equal(problem, Units.ReadRate(text, out _));

    [Theory]
    [InlineData("0%", 0)]
    [InlineData("0.1%", 0.001)]
    [InlineData("50%", 0.5)]
    [InlineData("100%", 1)]
    public void A_share_is_read(string text, double share)
    {
        Assert.Null(Units.ReadShare(text, out var read));
        Assert.Equal(share, read);
        Assert.Equal(text, Units.FormatShare(read));
    }

    [Theory]
    [InlineData("0.5", "\"0.5\" has no unit; write 50%")]
    [InlineData("50", "\"50\" has no unit; write 50%")]
    [InlineData("101%", "\"101%\" is more than 100%")]
    [InlineData("half", "\"half\" is not a share")]
    public void A_share_that_is_none_is_explained(string text, string problem) => Assert.Equal(problem, Units.ReadShare(text, out _));

    [Theory]
    [InlineData("240B/s", 240)]
    [InlineData("1KiB/s", 1024)]
    public void Bytes_per_second_are_read(string text, long rate)
    {
        Assert.Null(Units.ReadByteRate(text, out var read));
        Assert.Equal(rate, read);
        Assert.Equal(text, Units.FormatByteRate(read));
    }

    [Fact]
    public void A_duration_that_is_written_reads_back() =>
        Gen.Long[0, TimeSpan.TicksPerDay * 365].Sample(ticks =>
            Assert.Null(Units.ReadDuration(Units.Format(TimeSpan.FromTicks(ticks)), out var read) ?? (read.Ticks == ticks ? null : "differs")), seed: "0N0XIzNsQ0O2");

    [Fact]
    public void A_size_that_is_written_reads_back() =>
        Gen.Long[0, 1L << 40].Sample(bytes =>
            Assert.Null(Units.ReadSize(Units.FormatSize(bytes), out var read) ?? (read == bytes ? null : "differs")), seed: "0N0XIzNsQ0O2");
}
