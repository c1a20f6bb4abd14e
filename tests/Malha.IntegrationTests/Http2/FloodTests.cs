using System.Buffers.Binary;
using System.Diagnostics;
using System.Net;
using Malha.IntegrationTests.Http2.Support;
using Malha.IntegrationTests.Traffic.Support;

namespace Malha.IntegrationTests.Http2;

/// <summary>Clients that abuse what HTTP/2 lets them ask for: they are let go, and nobody else notices.</summary>
public sealed class FloodTests
{
    /// <summary>Longer than any of them needs on a loaded machine; on a quiet one it is the two seconds of <see cref="Others_hardly_notice_a_flood"/>.</summary>
    private static readonly TimeSpan Limit = Peer.Patience;

    public static TheoryData<string> Kinds => ["ping", "settings", "priority", "window", "unknown", "empty data", "resets", "continuation", "empty continuation"];

    [Theory]
    [MemberData(nameof(Kinds))]
    public async Task Flood_ends_with_its_connection(string kind)
    {
        await using var origin = ScriptedOrigin.Echoing();
        await using var gateway = TestGateway.Before(origin);
        await using var client = await H2Peer.ConnectAsync(gateway.Port);
        Assert.True(await FloodAsync(client, kind, Limit) < Limit, $"{kind} went on");
        await using var other = await H2Peer.ConnectAsync(gateway.Port);
        await other.SendAsync(H2Peer.Headers, H2Peer.EndHeaders | H2Peer.EndStream, 1, H2Peer.Request("GET", "/"));
        Assert.StartsWith("200", await other.AnswerAsync(1), StringComparison.Ordinal);
        await Eventually.HoldsAsync(() => gateway.Host.Listeners.First().Connections == 1, "the flooding connection is gone");
    }

    [Fact]
    public async Task Busy_client_is_no_flood()
    {
        await using var origin = ScriptedOrigin.Answering(_ => ScriptedOrigin.Answer(new string('x', 2_000)));
        await using var gateway = TestGateway.Before(origin);
        await using var client = await H2Peer.ConnectAsync(gateway.Port);
        // A ping and two window updates for each of 3,000 answers: far more than a client asks that measures its bandwidth.
        for (var stream = 1; stream < 6_000; stream += 2)
        {
            await client.Peer.SendAsync((byte[])
            [
                .. H2Peer.Frame(H2Peer.Headers, 5, stream, H2Peer.Request("GET", "/")), .. H2Peer.Frame(H2Peer.Ping, 0, 0, new byte[8]),
                .. H2Peer.Frame(H2Peer.WindowUpdate, 0, 0, Number(2_000)),
            ]);
            Assert.StartsWith("200", await client.AnswerAsync(stream), StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task Others_hardly_notice_a_flood()
    {
        Assert.SkipUnless(Environment.GetEnvironmentVariable("MALHA_TEST_ALL") is "1", "measures times: runs with ./test --all");
        await using var origin = ScriptedOrigin.Echoing();
        foreach (var kind in Kinds.Select(row => row.Data))
        {
            await using var malha = await TestGateway.RunAsync(origin.Url);
            using var client = new HttpClient(new SocketsHttpHandler { UseProxy = false });
            await PercentileAsync(client, malha.Port, TimeSpan.FromSeconds(3), 0.99);
            var quiet = await PercentileAsync(client, malha.Port, TimeSpan.FromSeconds(4), 0.99);
            var before = ProcessFacts.ResidentBytes(malha.ProcessId);
            using var stop = new CancellationTokenSource();
            var longest = TimeSpan.Zero;
            var flooding = Task.Run(async () =>
            {
                while (!stop.IsCancellationRequested)
                {
                    await using var attacker = await H2Peer.ConnectAsync(malha.Port);
                    var lasted = await FloodAsync(attacker, kind, Limit);
                    longest = lasted > longest ? lasted : longest;
                    // One attacker at a time, who comes back at once, would measure how two programs share two cores.
                    await Task.Delay(100, CancellationToken.None);
                }
            }, TestContext.Current.CancellationToken);
            var flooded = await PercentileAsync(client, malha.Port, TimeSpan.FromSeconds(4), 0.99);
            await stop.CancelAsync();
            await flooding;
            var grown = ProcessFacts.PeakResidentBytes(malha.ProcessId) - before;
            TestContext.Current.SendDiagnosticMessage($"{kind}: p99 {quiet.TotalMilliseconds:0.00} → {flooded.TotalMilliseconds:0.00} ms, +{grown >> 20} MiB, closed within {longest.TotalMilliseconds:0} ms");
            Assert.True(longest < TimeSpan.FromSeconds(2), $"{kind}: the attacker lasted {longest.TotalMilliseconds:0} ms");
            Assert.True(grown < 64 << 20, $"{kind}: the process grew by {grown >> 20} MiB");
            Assert.True(flooded < quiet * 1.5 + TimeSpan.FromMilliseconds(1), $"{kind}: the others' p99 went from {quiet.TotalMilliseconds:0.00} to {flooded.TotalMilliseconds:0.00} ms");
        }
    }

    // How long the server has borne it.
    private static async Task<TimeSpan> FloodAsync(H2Peer client, string kind, TimeSpan limit)
    {
        var reading = client.EndAsync();
        var burst = Burst(kind);
        var stream = 1;
        var started = Stopwatch.GetTimestamp();
        while (Stopwatch.GetElapsedTime(started) < limit)
        {
            if (kind == "resets")
                burst = Resets(ref stream);
            if (!await TrySendAsync(client, burst, limit))
                break;
        }
        var lasted = Stopwatch.GetElapsedTime(started);
        if (lasted < limit)
            await reading;
        return lasted;
    }

    // A server that takes nothing more has closed its ears, which is as good as an end once it ends the connection too.
    private static async Task<bool> TrySendAsync(H2Peer client, byte[] burst, TimeSpan limit)
    {
        try
        {
            return await client.Peer.TrySendAsync(burst).WaitAsync(limit);
        }
        catch (TimeoutException)
        {
            return true;
        }
    }

    private static byte[] Burst(string kind)
    {
        byte[] frame = kind switch
        {
            "ping" => H2Peer.Frame(H2Peer.Ping, 0, 0, new byte[8]),
            "settings" => H2Peer.Frame(H2Peer.Settings, 0, 0, [0, 3, 0, 0, 0, 100]),
            "priority" => H2Peer.Frame(H2Peer.Priority, 0, 1, [0, 0, 0, 0, 16]),
            "window" => H2Peer.Frame(H2Peer.WindowUpdate, 0, 0, Number(1)),
            "unknown" => H2Peer.Frame(0xBE, 0, 0),
            "empty data" => H2Peer.Frame(H2Peer.Data, 0, 1),
            "continuation" => H2Peer.Frame(H2Peer.Continuation, 0, 1, H2Peer.Fields(("x-a", "b"))),
            "empty continuation" => H2Peer.Frame(H2Peer.Continuation, 0, 1),
            _ => [],
        };
        byte[] first = kind switch
        {
            "empty data" => H2Peer.Frame(H2Peer.Headers, H2Peer.EndHeaders, 1, H2Peer.Request("POST", "/")),
            "continuation" or "empty continuation" => H2Peer.Frame(H2Peer.Headers, 0, 1, H2Peer.Request("GET", "/")),
            _ => [],
        };
        return [.. first, .. Enumerable.Repeat(frame, 500).SelectMany(bytes => bytes)];
    }

    // Streams that are opened and given up at once.
    private static byte[] Resets(ref int stream)
    {
        var bytes = new List<byte>();
        for (var count = 0; count < 50; count++, stream += 2)
        {
            bytes.AddRange(H2Peer.Frame(H2Peer.Headers, H2Peer.EndHeaders | H2Peer.EndStream, stream, H2Peer.Request("GET", "/")));
            bytes.AddRange(H2Peer.Frame(H2Peer.Reset, 0, stream, Number(8)));
        }
        return [.. bytes];
    }

    private static byte[] Number(int value)
    {
        var bytes = new byte[4];
        BinaryPrimitives.WriteInt32BigEndian(bytes, value);
        return bytes;
    }

    private static async Task<TimeSpan> PercentileAsync(HttpClient client, int port, TimeSpan during, double share)
    {
        var times = new List<TimeSpan>();
        var started = Stopwatch.GetTimestamp();
        while (Stopwatch.GetElapsedTime(started) < during)
        {
            using var request = new HttpRequestMessage(HttpMethod.Get, $"http://127.0.0.1:{port}/") { Version = HttpVersion.Version20, VersionPolicy = HttpVersionPolicy.RequestVersionExact };
            var began = Stopwatch.GetTimestamp();
            using var answer = await client.SendAsync(request);
            Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
            times.Add(Stopwatch.GetElapsedTime(began));
        }
        times.Sort();
        return times[(int)(times.Count * share)];
    }
}
