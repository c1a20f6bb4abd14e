using System.Text;
using System.Text.Json;
using Malha.Configuration;
using Malha.Proxy.Telemetry.Logging;

namespace Malha.Tests.Telemetry;

public sealed class AccessLineTests
{
    private static readonly DateTimeOffset Time = new(2026, 3, 4, 5, 6, 7, 89, TimeSpan.Zero);

    [Fact]
    public void A_line_of_JSON_has_everything_that_is_known()
    {
        using var line = Json(Full());
        var root = line.RootElement;
        Assert.Equal("2026-03-04T05:06:07.089Z", root.GetProperty("time").GetString());
        Assert.Equal("warning", root.GetProperty("level").GetString());
        Assert.Equal("request", root.GetProperty("event").GetString());
        Assert.Equal("127.0.0.1", root.GetProperty("client").GetString());
        Assert.Equal("POST", root.GetProperty("method").GetString());
        Assert.Equal("/pay/7?token=***", root.GetProperty("target").GetString());
        Assert.Equal("shop.example", root.GetProperty("host").GetString());
        Assert.Equal(504, root.GetProperty("status").GetInt32());
        Assert.Equal(12, root.GetProperty("bytesIn").GetInt64());
        Assert.Equal(345, root.GetProperty("bytesOut").GetInt64());
        Assert.Equal(1500.25, root.GetProperty("durationMs").GetDouble());
        Assert.Equal(2, root.GetProperty("attempts").GetInt32());
        Assert.Equal("edge", root.GetProperty("listener").GetString());
        Assert.Equal("pay", root.GetProperty("route").GetString());
        Assert.Equal("payments", root.GetProperty("service").GetString());
        Assert.Equal("127.0.0.1:7001", root.GetProperty("endpoint").GetString());
        Assert.Equal("req-1", root.GetProperty("requestId").GetString());
        Assert.Equal("deadline", root.GetProperty("refusal").GetString());
        Assert.Equal("services.payments.timeout", root.GetProperty("rule").GetString());
        Assert.Equal("curl/8 \"x\"", root.GetProperty("userAgent").GetString());
    }

    [Fact]
    public void What_is_not_known_is_left_out()
    {
        using var line = Json(new AccessEntry { Time = Time, Client = "::1"u8, Status = 200 });
        Assert.Equal(
            ["time", "level", "event", "client", "status", "bytesIn", "bytesOut", "durationMs", "attempts"],
            line.RootElement.EnumerateObject().Select(member => member.Name));
    }

    [Fact]
    public void Text_is_for_people()
    {
        Assert.Equal(
            "05:06:07.089  504  1500.250 ms  POST    /pay/7?token=***  127.0.0.1 -> payments 127.0.0.1:7001  attempts 2  deadline services.payments.timeout  req-1\n",
            Line(Full(), LogStyle.Text));
        Assert.Equal(
            "05:06:07.089  200  0.000 ms     -       -  ::1\n",
            Line(new AccessEntry { Time = Time, Client = "::1"u8, Status = 200 }, LogStyle.Text));
        Assert.Equal(
            "05:06:07.089  200  0.000 ms     -       -  ::1  trace abc/def\n",
            Line(new AccessEntry { Time = Time, Client = "::1"u8, Status = 200, TraceId = "abc"u8, SpanId = "def"u8, IsTraced = true }, LogStyle.Text));
    }

    [Fact]
    public void Colours_are_for_terminals_only()
    {
        Assert.Contains("\e[31m504\e[0m", Line(Full(), LogStyle.Coloured), StringComparison.Ordinal);
        Assert.DoesNotContain("\e", Line(Full(), LogStyle.Text), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(LogStyle.Json)]
    [InlineData(LogStyle.Text)]
    [InlineData(LogStyle.Coloured)]
    public void The_longest_parts_of_the_worst_bytes_fit(object style)
    {
        foreach (var filler in (byte[])[0x01, 0xFF, (byte)'"', (byte)'x'])
        {
            var bytes = Enumerable.Repeat(filler, 20_000).ToArray();
            var name = new string((char)filler, 20_000);
            var line = Line(
                new AccessEntry
                {
                    Time = Time, Client = bytes, Method = bytes, Target = bytes, Host = bytes, Status = 200, BytesIn = long.MaxValue, BytesOut = long.MaxValue,
                    Duration = TimeSpan.MaxValue, Attempts = int.MaxValue, Listener = name, Route = name, Service = name, Endpoint = bytes, RequestId = bytes,
                    TraceId = bytes, Refusal = "bad-answer"u8, Rule = name, UserAgent = bytes,
                },
                (LogStyle)style);
            Assert.InRange(line.Length, 1000, AccessLine.MaxLength - 512);
            Assert.EndsWith("\n", line, StringComparison.Ordinal);
            Assert.Equal(1, line.Count(letter => letter == '\n'));
            if ((LogStyle)style == LogStyle.Json)
                JsonDocument.Parse(line).Dispose();
        }
    }

    [Fact]
    public void Every_naughty_string_stays_on_its_line()
    {
        foreach (var text in LogTextTests.NaughtyStrings())
        {
            var bytes = Encoding.UTF8.GetBytes(text);
            var entry = new AccessEntry { Time = Time, Client = "::1"u8, Status = 200, Target = bytes, UserAgent = bytes, Method = bytes };
            using var json = Json(entry);
            var read = json.RootElement.TryGetProperty("userAgent", out var agent) ? agent.GetString()! : "";
            if (read.EndsWith('…'))
                Assert.StartsWith(read[..^1], text, StringComparison.Ordinal);
            else
                Assert.Equal(text, read);
            foreach (var style in (LogStyle[])[LogStyle.Json, LogStyle.Text])
                Assert.DoesNotContain(Line(entry, style)[..^1], letter => char.IsControl(letter) || letter is '\u2028' or '\u202e');
        }
    }

    [Fact]
    public void Writing_a_line_allocates_nothing()
    {
        var buffer = new byte[AccessLine.MaxLength];
        foreach (var style in Enum.GetValues<LogStyle>())
        {
            AccessLine.Write(buffer, Full(), style);
            var before = GC.GetAllocatedBytesForCurrentThread();
            for (var count = 0; count < 100; count++)
                AccessLine.Write(buffer, Full(), style);
            Assert.Equal(before, GC.GetAllocatedBytesForCurrentThread());
        }
    }

    [Fact]
    public void A_sample_takes_its_share_and_every_refusal_and_failure()
    {
        var model = AccessLogModel.Of(new AccessLogConfig { Format = AccessLogFormat.Json, Sample = 0.25 }, isTerminal: false);
        var random = new Random(11);
        var taken = Enumerable.Range(0, 100_000).Count(_ => model.Takes((uint)random.NextInt64(1L << 32), 200, isRefusal: false));
        Assert.InRange(taken, 24_500, 25_500);
        Assert.True(model.Takes(uint.MaxValue, 500, isRefusal: false));
        Assert.True(model.Takes(uint.MaxValue, 404, isRefusal: true));
        Assert.False(model.Takes(uint.MaxValue, 404, isRefusal: false));
    }

    [Fact]
    public void A_sample_of_all_takes_all_and_of_none_none()
    {
        var all = AccessLogModel.Of(new AccessLogConfig { Sample = 1 }, isTerminal: false);
        Assert.True(all.Takes(uint.MaxValue, 200, isRefusal: false));
        var none = AccessLogModel.Of(new AccessLogConfig { Sample = 0 }, isTerminal: false);
        Assert.False(none.Takes(0, 200, isRefusal: false));
        Assert.True(none.Takes(0, 503, isRefusal: true));
        var off = AccessLogModel.Of(new AccessLogConfig { Format = AccessLogFormat.Off }, isTerminal: false);
        Assert.False(off.Takes(0, 503, isRefusal: true));
    }

    [Theory]
    [InlineData(AccessLogFormat.Auto, true, LogStyle.Coloured)]
    [InlineData(AccessLogFormat.Auto, false, LogStyle.Json)]
    [InlineData(AccessLogFormat.Text, true, LogStyle.Coloured)]
    [InlineData(AccessLogFormat.Text, false, LogStyle.Text)]
    [InlineData(AccessLogFormat.Json, true, LogStyle.Json)]
    public void The_format_follows_the_setting_and_who_reads_it(AccessLogFormat format, bool isTerminal, object expected) =>
        Assert.Equal((LogStyle)expected, AccessLogModel.Of(new AccessLogConfig { Format = format }, isTerminal).Style);

    private static AccessEntry Full() => new()
    {
        Time = Time,
        Client = "127.0.0.1"u8,
        Method = "POST"u8,
        Target = "/pay/7?token=***"u8,
        Host = "shop.example"u8,
        Status = 504,
        BytesIn = 12,
        BytesOut = 345,
        Duration = TimeSpan.FromMilliseconds(1500.25),
        Attempts = 2,
        Listener = "edge",
        Route = "pay",
        Service = "payments",
        Endpoint = "127.0.0.1:7001"u8,
        RequestId = "req-1"u8,
        TraceId = "0af7651916cd43dd8448eb211c80319c"u8,
        Refusal = "deadline"u8,
        Rule = "services.payments.timeout",
        UserAgent = "curl/8 \"x\""u8,
    };

    private static string Line(in AccessEntry entry, LogStyle style)
    {
        var buffer = new byte[AccessLine.MaxLength];
        return Encoding.UTF8.GetString(buffer, 0, AccessLine.Write(buffer, entry, style));
    }

    private static JsonDocument Json(in AccessEntry entry) => JsonDocument.Parse(Line(entry, LogStyle.Json));
}
