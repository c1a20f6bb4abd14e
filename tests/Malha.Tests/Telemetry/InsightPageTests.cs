using System.Text.Json;
using System.Text.RegularExpressions;
using Malha.Proxy.Telemetry;
using Malha.Proxy.Telemetry.Logging;
using Malha.Proxy.Telemetry.Metrics;
using Malha.Tests.Configuration;

namespace Malha.Tests.Telemetry;

/// <summary>docs/insight.md lists what there is: every metric and every member of a line of the access log, and no others.</summary>
public sealed partial class InsightPageTests
{
    private static readonly string Page = File.ReadAllText(Repository.File("docs", "insight.md"));

    [Fact]
    public void The_metrics_are_those_that_are_told()
    {
        using var stream = new MemoryStream();
        using var output = new LogOutput(stream, isTerminal: false);
        using var exchanges = new TestExchanges(TimeProvider.System, new GatewayTelemetry(TimeProvider.System, output));
        var told = GatewayMetricsReader.Read(exchanges.Host).Select(PrometheusWriter.NameOf).Order(StringComparer.Ordinal);
        Assert.Equal(told, Names("## Metrics").Order(StringComparer.Ordinal));
    }

    [Fact]
    public void The_members_of_a_line_are_those_that_are_written()
    {
        var bytes = "x"u8;
        var entry = new AccessEntry
        {
            Time = DateTimeOffset.UnixEpoch, Client = bytes, ClientName = "x", Method = bytes, Target = bytes, Host = bytes, Status = 200, Listener = "x", Route = "x", Service = "x", Endpoint = bytes,
            RequestId = bytes, TraceId = bytes, SpanId = bytes, Refusal = bytes, Rule = "x", UserAgent = bytes,
        };
        var buffer = new byte[AccessLine.MaxLength];
        using var line = JsonDocument.Parse(buffer.AsMemory(0, AccessLine.Write(buffer, entry, LogStyle.Json)));
        Assert.Equal(line.RootElement.EnumerateObject().Select(member => member.Name), Names("## The access log"));
    }

    // The first cell of each row of the section's table.
    private static IEnumerable<string> Names(string section)
    {
        var start = Page.IndexOf(section + "\n", StringComparison.Ordinal);
        var end = Page.IndexOf("\n## ", start + 1, StringComparison.Ordinal);
        return Row().Matches(Page[start..(end < 0 ? Page.Length : end)]).SelectMany(row => Name().Matches(row.Groups[1].Value)).Select(name => name.Groups[1].Value);
    }

    [GeneratedRegex(@"^\| (`[^|]+) \|", RegexOptions.Multiline)]
    private static partial Regex Row();

    [GeneratedRegex("`([^`]+)`")]
    private static partial Regex Name();
}
