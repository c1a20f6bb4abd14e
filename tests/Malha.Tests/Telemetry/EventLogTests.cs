using System.Text;
using System.Text.Json;
using Malha.Proxy.Telemetry.Logging;
using Microsoft.Extensions.Time.Testing;

namespace Malha.Tests.Telemetry;

public sealed class EventLogTests
{
    private readonly FakeTimeProvider _time = new(new DateTimeOffset(2026, 3, 4, 5, 6, 7, TimeSpan.Zero));

    [Fact]
    public void An_event_is_a_line_of_JSON()
    {
        using var stream = new MemoryStream();
        using var output = new LogOutput(stream, isTerminal: false);
        new EventLog(output, _time).Info("listening", ("listener", "edge"), ("address", "127.0.0.1:8080"), ("count", 3));
        output.Flush(TimeSpan.FromSeconds(30));
        Assert.Equal(
            """{"time":"2026-03-04T05:06:07.000Z","level":"info","event":"listening","listener":"edge","address":"127.0.0.1:8080","count":3}""" + "\n",
            Encoding.UTF8.GetString(stream.ToArray()));
    }

    [Fact]
    public void On_a_terminal_it_is_text()
    {
        using var stream = new MemoryStream();
        using var output = new LogOutput(stream, isTerminal: true);
        new EventLog(output, _time) { Style = LogStyle.Text }.Warning("reload-refused", ("problem", "line 1\nline 2"));
        output.Flush(TimeSpan.FromSeconds(30));
        Assert.Equal("05:06:07.000  warn reload-refused  problem=line 1\\nline 2\n", Encoding.UTF8.GetString(stream.ToArray()));
    }

    [Fact]
    public void Long_fields_are_cut_and_the_line_stays_whole()
    {
        var fields = Enumerable.Range(0, 5).Select(index => new EventField($"f{index}", new string('\u0001', 20_000), 0)).ToArray();
        var buffer = new byte[16 * 1024];
        var length = EventLog.Format(buffer, new OperationalEvent(1, _time.GetUtcNow(), EventLevel.Error, "bug", fields), LogStyle.Json);
        using var line = JsonDocument.Parse(buffer.AsMemory(0, length));
        Assert.Equal(8, line.RootElement.EnumerateObject().Count());
    }

    [Fact]
    public void Whoever_follows_gets_what_was_and_what_comes()
    {
        var log = new EventLog(null, _time);
        for (var count = 1; count <= 300; count++)
            log.Info("tick", ("count", count));
        var later = new List<OperationalEvent>();
        var latest = log.Follow(later.Add);
        log.Info("tock");
        log.Unfollow(later.Add);
        log.Info("unheard");

        Assert.Equal(256, latest.Length);
        Assert.Equal(300, latest[^1].Id);
        Assert.Equal((301, "tock"), (Assert.Single(later).Id, later[0].Name));
    }
}
