using System.Globalization;
using Malha.Delivery.Log;
using Malha.Delivery.Operations;

namespace Malha.Bench.Delivery;

/// <summary>
/// Accepts for as long as it lives, and tells each acknowledgement on its standard output the moment that it has it: "a LEVEL ID TARGET". Another outcome is "x OUTCOME". Whoever
/// reads has a ledger that is not ours, and may kill us at any moment. Lines that are no ledger begin with "#".
/// </summary>
internal static class Load
{
    private static readonly TimeSpan AfterRefusal = TimeSpan.FromMilliseconds(20);

    public static async Task<int> RunAsync(string path, string[] words)
    {
        var arguments = new Arguments(words);
        var config = new EmbeddedLogConfig
        {
            Path = path, MemoryBytes = arguments.Number("memory", 8 << 20), MinimumFreeBytes = arguments.Number("minimum", 64 << 20),
            ReserveBytes = arguments.Number("reserve", 8 << 20),
        };
        var (report, log) = EmbeddedLog.Open(config, TimeProvider.System);
        Tell($"# opened {report.Outcome} {report.Message}");
        if (log is null)
            return 1;

        await using (log)
        {
            var levels = arguments.Text("acks", "all,leader").Split(',');
            var body = new byte[arguments.Number("body", 1024)];
            var callers = Enumerable.Range(0, (int)arguments.Number("callers", 8))
                .Select(caller => CallAsync(log, $"{Environment.ProcessId}-{caller}", LevelOf(levels[caller % levels.Length]), body, arguments.Number("count", 0)));
            await Task.WhenAll(callers);
            Tell($"# reopened {log.Measures.Reopenings} failure {log.Failure ?? "none"}");
        }
        return 0;
    }

    private static async Task CallAsync(EmbeddedLog log, string key, AckLevel acks, byte[] body, long count)
    {
        var refused = false;
        for (var serial = 0L; count == 0 || serial < count; serial++)
        {
            var target = string.Create(CultureInfo.InvariantCulture, $"/{key}/{serial:d9}");
            var result = await log.AcceptAsync(Requests.Post("payments", key, target, acks), body);
            if (result.IsAcknowledged)
            {
                Tell($"a {acks} {result.Id} {target}");
                refused = false;
                continue;
            }
            if (!refused)
                Tell($"x {result.Outcome}");
            refused = true;
            await Task.Delay(AfterRefusal);
        }
    }

    private static AckLevel LevelOf(string word) => Enum.Parse<AckLevel>(word, ignoreCase: true);

    private static void Tell(string line)
    {
        // One write for each line: what was told is told, whatever happens next.
        lock (Console.Out)
            Console.Out.WriteLine(line);
    }
}
