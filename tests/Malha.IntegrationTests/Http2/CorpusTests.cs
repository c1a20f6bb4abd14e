using System.Text.Json;
using Malha.IntegrationTests.Harness;
using Malha.IntegrationTests.Http2.Support;
using Malha.IntegrationTests.Traffic.Support;

namespace Malha.IntegrationTests.Http2;

/// <summary>Inputs that others found by fuzzing, and frames that break the rules: no crash, no hang, nothing malformed behind, flat memory.</summary>
public sealed class CorpusTests
{
    [Fact]
    public async Task Fuzzed_connections_of_nghttp2_end_and_send_nothing_malformed_on()
    {
        var folder = Corpora.Folder("nghttp2-fuzz");
        Assert.SkipWhen(folder is null, Corpora.Absent);
        var inputs = Directory.GetFiles(folder!, "*", SearchOption.AllDirectories).Where(path => Path.GetFileName(path) != "COPYING").ToArray();
        Assert.True(inputs.Length > 100, $"{inputs.Length} inputs in {folder}");
        // The origin reads strictly: what it cannot read as one well-formed request is a fault, told when it is disposed.
        await using var origin = ScriptedOrigin.Start(async peer =>
        {
            while (await peer.ReadRequestAsync() is not null)
                await peer.SendAsync(ScriptedOrigin.Answer("hello"));
        });
        var malha = await TestGateway.RunAsync(origin.Url);
        await using (malha)
        {
            await SendAllAsync(malha.Port, inputs.Take(200));
            var before = ProcessFacts.ResidentBytes(malha.ProcessId);
            await SendAllAsync(malha.Port, inputs);
            var grown = ProcessFacts.PeakResidentBytes(malha.ProcessId) - before;
            Assert.True(grown < 64 << 20, $"the process grew by {grown >> 20} MiB");
            await using var client = await H2Peer.ConnectAsync(malha.Port);
            await client.SendAsync(H2Peer.Headers, H2Peer.EndHeaders | H2Peer.EndStream, 1, H2Peer.Request("GET", "/"));
            Assert.Equal("200 hello", await client.AnswerAsync(1));
        }
    }

    [Fact]
    public async Task Frames_that_break_the_rules_end_the_stream_or_the_connection()
    {
        var folder = Corpora.Folder("http2-frame");
        Assert.SkipWhen(folder is null, Corpora.Absent);
        await using var origin = ScriptedOrigin.Echoing();
        await using var gateway = TestGateway.Before(origin);
        var cases = 0;
        foreach (var path in Directory.GetFiles(Path.Combine(folder!, "error"), "*.json"))
        {
            using var document = JsonDocument.Parse(await File.ReadAllTextAsync(path, TestContext.Current.CancellationToken));
            await using var client = await H2Peer.ConnectAsync(gateway.Port);
            await client.Peer.TrySendAsync(Convert.FromHexString(document.RootElement.GetProperty("wire").GetString()!));
            // What is only half there waits for its rest: the end of the input is one too.
            client.Peer.FinishSending();
            await client.EndAsync();
            cases++;
        }
        Assert.True(cases >= 20, $"{cases} cases");
        await Eventually.HoldsAsync(() => gateway.Host.Listeners.First().Connections == 0, "all connections end");
    }

    // Each as it is, and each behind a good beginning if it has none: half of them are frames only.
    private static Task SendAllAsync(int port, IEnumerable<string> inputs) => Parallel.ForEachAsync(
        inputs, new ParallelOptions { MaxDegreeOfParallelism = 8, CancellationToken = TestContext.Current.CancellationToken }, async (path, cancellation) =>
        {
            var bytes = await File.ReadAllBytesAsync(path, cancellation);
            await SendAsync(port, bytes);
            if (!bytes.AsSpan().StartsWith(H2Peer.Preface))
                await SendAsync(port, [.. H2Peer.Preface, .. H2Peer.Frame(H2Peer.Settings, 0, 0), .. bytes]);
        });

    private static async Task SendAsync(int port, byte[] bytes)
    {
        await using var client = new H2Peer(await Peer.ConnectAsync(port));
        await client.Peer.TrySendAsync(bytes);
        client.Peer.FinishSending();
        // Every wait of a peer ends with a failure when nothing comes of it.
        await client.Peer.ReadToEndAsync();
    }
}
