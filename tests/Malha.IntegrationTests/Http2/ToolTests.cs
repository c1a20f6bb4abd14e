using System.Diagnostics;
using System.Globalization;
using System.Text.RegularExpressions;
using Malha.IntegrationTests.Http2.Support;
using Malha.IntegrationTests.Traffic.Support;

namespace Malha.IntegrationTests.Http2;

/// <summary>Clients that others wrote: curl in each of its versions of HTTP, and h2load.</summary>
public sealed partial class ToolTests
{
    [Fact]
    public async Task Curl_sees_the_same_in_every_version()
    {
        await using var origin = await TwoProtocolOrigin.StartAsync();
        await using var gateway = TestGateway.Start(TestGateway.File(origin.Url(1)));
        string[][] asks =
        [
            ["/length"], ["/open"], ["/trailers"], ["-I", "/length"], ["/nothing"], ["-d", "a=1", "/length"], ["-T", "-", "/open"], ["-X", "DELETE", "/empty"], ["/nowhere/%2e%2e"],
        ];
        foreach (var ask in asks)
        {
            var answers = new List<string>();
            foreach (var version in new[] { "--http1.1", "--http2", "--http2-prior-knowledge" })
            {
                var (code, text) = await RunAsync("curl", ["-sS", "--max-time", "20", version, "-i", .. ask[..^1], $"http://127.0.0.1:{gateway.Port}{ask[^1]}"], input: ask.Contains("-T") ? "some text" : null);
                Assert.True(code == 0, $"curl {version} {string.Join(' ', ask)}: {text}");
                answers.Add(Essence(text));
            }
            Assert.True(answers.Distinct().Count() == 1, $"{string.Join(' ', ask)}:\n{string.Join("\n---\n", answers)}");
        }
    }

    [Fact]
    public async Task H2load_finds_no_error()
    {
        await using var origin = await TwoProtocolOrigin.StartAsync();
        await using var gateway = TestGateway.Start(TestGateway.File(origin.Url(1), "concurrency: 1000") + TestGateway.Quiet);
        var requests = Environment.GetEnvironmentVariable("MALHA_TEST_ALL") is "1" ? 200_000 : 5_000;
        var (code, text) = await RunAsync("h2load", ["-n", requests.ToString(CultureInfo.InvariantCulture), "-c", "8", "-m", "8", $"http://127.0.0.1:{gateway.Port}/length"]);
        Assert.True(code == 0, text);
        Assert.Contains($"{requests} succeeded, 0 failed, 0 errored, 0 timeout", text, StringComparison.Ordinal);
        Assert.Contains($"status codes: {requests} 2xx", text, StringComparison.Ordinal);
    }

    // Status, the fields that do not change by themselves, without regard to order and case, and the body.
    private static string Essence(string answer)
    {
        // curl asks in HTTP/1.1 first when it would upgrade, and so may print two heads.
        var head = StatusLine().Matches(answer)[^1].Index;
        var end = answer.IndexOf("\r\n\r\n", head, StringComparison.Ordinal);
        var lines = answer[head..end].Split("\r\n");
        var fields = lines.Skip(1).Select(line => line.ToUpperInvariant())
            .Where(line => !Changing().IsMatch(line)).Order(StringComparer.Ordinal);
        return $"{lines[0].Split(' ')[1]}\n{string.Join('\n', fields)}\n\n{InstanceIds().Replace(answer[(end + 4)..], "ID")}";
    }

    [GeneratedRegex("^HTTP/[0-9.]+ [0-9]", RegexOptions.Multiline)]
    private static partial Regex StatusLine();

    [GeneratedRegex("^(DATE|X-REQUEST-ID|TRANSFER-ENCODING|CONNECTION|TRAILER):")]
    private static partial Regex Changing();

    [GeneratedRegex("[0-9a-f]{16,32}")]
    private static partial Regex InstanceIds();

    private static async Task<(int Code, string Text)> RunAsync(string program, string[] arguments, string? input = null)
    {
        var start = new ProcessStartInfo(program) { RedirectStandardOutput = true, RedirectStandardError = true, RedirectStandardInput = true };
        foreach (var argument in arguments)
            start.ArgumentList.Add(argument);
        Process process;
        try
        {
            process = Process.Start(start)!;
        }
        catch (System.ComponentModel.Win32Exception)
        {
            Assert.Skip($"{program} is absent");
            throw;
        }
        using (process)
        {
            // Who needs no input may have ended before it comes.
            if (input is not null)
                await process.StandardInput.WriteAsync(input);
            process.StandardInput.Close();
            var error = process.StandardError.ReadToEndAsync();
            var output = await process.StandardOutput.ReadToEndAsync();
            await process.WaitForExitAsync();
            return (process.ExitCode, output + await error);
        }
    }
}
