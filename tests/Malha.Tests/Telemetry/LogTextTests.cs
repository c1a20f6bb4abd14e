using System.Text;
using System.Text.Json;
using CsCheck;
using Malha.IntegrationTests.Harness;
using Malha.Proxy.Telemetry.Logging;

namespace Malha.Tests.Telemetry;

public sealed class LogTextTests
{
    [Theory]
    [InlineData("plain text: 100 % {}", "plain text: 100 % {}")]
    [InlineData("\"quoted\" \\ back", @"\""quoted\"" \\ back")]
    [InlineData("two\nlines\r\tand a tab", @"two\nlines\r\tand a tab")]
    [InlineData("\e[31mred\0", @"\u001b[31mred\u0000")]
    [InlineData("del\u007f c1\u009b", @"del\u007f c1\u009b")]
    [InlineData("right\u202eto left\u2066", @"right\u202eto left\u2066")]
    [InlineData("line\u2028separator\ufeff", @"line\u2028separator\ufeff")]
    [InlineData("ação 漢字 😀", "ação 漢字 😀")]
    [InlineData("tag\U000E0001", @"tag\udb40\udc01")]
    public void What_could_steer_a_reader_is_escaped_and_the_rest_stays_readable(string text, string expected)
    {
        Assert.Equal(expected, Escape(Encoding.UTF8.GetBytes(text)));
        Assert.Equal(expected, EscapeText(text));
    }

    [Fact]
    public void Bytes_that_are_not_UTF8_become_replacement_characters()
    {
        Assert.Equal("a\ufffdb", Escape([(byte)'a', 0xFF, (byte)'b']));
        Assert.Equal("\ufffd\ufffd", Escape([0xC3, 0xC3]));
        Assert.Equal("a\ufffd", EscapeText("a\ud800"));
    }

    [Fact]
    public void Every_naughty_string_gives_one_line_of_JSON_that_reads_back_the_same()
    {
        foreach (var text in NaughtyStrings())
        {
            var escaped = Escape(Encoding.UTF8.GetBytes(text));
            Assert.DoesNotContain(escaped, letter => char.IsControl(letter) || letter is '\u2028' or '\u202e');
            Assert.Equal(text, JsonSerializer.Deserialize<string>($"\"{escaped}\""));
        }
    }

    [Fact]
    public void Any_bytes_give_valid_JSON_within_the_limit() =>
        Gen.Byte.Array[0, 200].Sample(
            bytes =>
            {
                Span<byte> buffer = new byte[2048];
                var whole = new LogText(buffer);
                var isWhole = whole.Escaped(bytes, 2048);
                var cut = new LogText(new byte[2048]);
                cut.Escaped(bytes, 40);
                var text = Encoding.UTF8.GetString(buffer[..whole.Length]);
                return isWhole && cut.Length <= 40 && JsonSerializer.Deserialize<string>($"\"{text}\"") == Encoding.UTF8.GetString(bytes);
            },
            seed: "0000000000007", iter: 2000);

    [Fact]
    public void Text_that_is_too_long_is_cut_and_shows_it()
    {
        var line = new LogText(new byte[64]);
        Assert.False(line.Escaped(Encoding.ASCII.GetBytes(new string('a', 100)), 16));
        Assert.Equal(16, line.Length);

        var buffer = new byte[64];
        line = new LogText(buffer);
        Assert.False(line.Escaped(new string('é', 500), 17));
        Assert.Equal("ééééééé…", Encoding.UTF8.GetString(buffer, 0, line.Length));
    }

    [Fact]
    public void A_full_buffer_takes_no_more_and_does_not_throw()
    {
        var line = new LogText(new byte[8]);
        line.Write("0123456789"u8);
        line.Number(5);
        line.Instant(DateTimeOffset.UnixEpoch);
        line.Milliseconds(TimeSpan.FromSeconds(1));
        line.Escaped("more"u8, 100);
        Assert.Equal(8, line.Length);
    }

    [Fact]
    public void Times_have_milliseconds()
    {
        var buffer = new byte[128];
        var line = new LogText(buffer);
        line.Instant(new DateTimeOffset(2026, 1, 2, 3, 4, 5, 6, TimeSpan.FromHours(1)));
        line.Write(" "u8);
        line.Milliseconds(TimeSpan.FromMicroseconds(1_234_056.7));
        Assert.Equal("2026-01-02T02:04:05.006Z 1234.056", Encoding.ASCII.GetString(buffer, 0, line.Length));
    }

    internal static IEnumerable<string> NaughtyStrings()
    {
        var path = Path.Combine(Corpora.Root ?? "", "blns", "blns.json");
        Assert.SkipUnless(File.Exists(path), Corpora.Absent);
        return JsonSerializer.Deserialize<string[]>(File.ReadAllText(path))!;
    }

    private static string Escape(ReadOnlySpan<byte> bytes)
    {
        var buffer = new byte[(bytes.Length * 6) + 16];
        var line = new LogText(buffer);
        Assert.True(line.Escaped(bytes, buffer.Length));
        return Encoding.UTF8.GetString(buffer, 0, line.Length);
    }

    private static string EscapeText(string text)
    {
        var buffer = new byte[(text.Length * 12) + 16];
        var line = new LogText(buffer);
        Assert.True(line.Escaped(text, buffer.Length));
        return Encoding.UTF8.GetString(buffer, 0, line.Length);
    }
}
