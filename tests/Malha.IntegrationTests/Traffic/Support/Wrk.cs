using System.Diagnostics;
using System.Globalization;
using System.Text.RegularExpressions;

namespace Malha.IntegrationTests.Traffic.Support;

/// <summary>wrk with a script that sends a number of its own with each request and checks that exactly it comes back.</summary>
internal static partial class Wrk
{
    public const string Program = "/usr/bin/wrk";

    // Each thread counts by itself; a response without a request of this thread, a second one to the same, or another status is bad.
    private const string Script = """
        local threads = {}
        function setup(thread)
          thread:set("id", #threads)
          table.insert(threads, thread)
        end
        function init(args)
          sent, count, bad, good = {}, 0, 0, 0
        end
        function request()
          count = count + 1
          local path = "/id/" .. id .. "-" .. count
          sent[path] = true
          return wrk.format("GET", path)
        end
        function response(status, headers, body)
          if status == 200 and sent[body] then
            sent[body] = nil
            good = good + 1
          else
            bad = bad + 1
          end
        end
        function done(summary, latency, requests)
          local good, bad = 0, 0
          for _, thread in ipairs(threads) do
            good = good + thread:get("good")
            bad = bad + thread:get("bad")
          end
          local errors = summary.errors
          io.write(string.format("good=%d bad=%d errors=%d\n", good, bad, errors.connect + errors.read + errors.write + errors.status + errors.timeout))
        end
        """;

    /// <summary>Runs for so many seconds; how many answers were good. Any that was not fails the test.</summary>
    public static async Task<long> RunAsync(int port, int seconds, int connections = 64)
    {
        var script = Path.GetTempFileName();
        try
        {
            await File.WriteAllTextAsync(script, Script, TestContext.Current.CancellationToken);
            var start = new ProcessStartInfo(Program, ["-t2", $"-c{connections}", $"-d{seconds}s", "--timeout", "10s", "-s", script, $"http://127.0.0.1:{port}/"])
            {
                RedirectStandardOutput = true,
            };
            using var process = Process.Start(start)!;
            var output = await process.StandardOutput.ReadToEndAsync(TestContext.Current.CancellationToken);
            await process.WaitForExitAsync(TestContext.Current.CancellationToken);
            var result = Result.Match(output);
            Assert.True(result.Success && result.Groups[2].Value == "0" && result.Groups[3].Value == "0", output);
            return long.Parse(result.Groups[1].ValueSpan, CultureInfo.InvariantCulture);
        }
        finally
        {
            File.Delete(script);
        }
    }

    [GeneratedRegex(@"good=(\d+) bad=(\d+) errors=(\d+)")]
    private static partial Regex Result { get; }
}
