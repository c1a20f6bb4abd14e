using System.Security.Cryptography;
using Malha.IntegrationTests.Harness;
using Malha.IntegrationTests.Traffic.Support;

namespace Malha.IntegrationTests.Traffic;

/// <summary>Bodies of every size and framing, both ways, whole and unchanged; trailers; and no more memory than a few buffers.</summary>
public sealed class BodyTests
{
    private const long Large = 100 * 1024 * 1024;

    /// <summary>Around every buffer of the way: 4 KiB, 16 KiB, 64 KiB, with and without framing.</summary>
    public static TheoryData<int> Sizes =>
        [0, 1, 2, 15, 16, 255, 3_900, 4_095, 4_096, 4_097, 16_360, 16_383, 16_384, 16_385, 65_500, 65_535, 65_536, 65_537, 200_000, 1_500_000];

    [Theory]
    [MemberData(nameof(Sizes))]
    public async Task Body_comes_back_as_it_went(int size)
    {
        await using var origin = ScriptedOrigin.Start(ReturnBodyAsync);
        await using var gateway = TestGateway.Before(origin);
        await using var client = await gateway.ConnectAsync();
        var body = BodyPattern.Bytes((ulong)size + 1, size);
        foreach (var chunked in new[] { false, true })
        {
            // Head and body together, apart, and with the next request close behind.
            var head = WireText.Bytes($"POST /{(chunked ? "chunked" : "length")} HTTP/1.1\r\nHost: a\r\n{(chunked ? "Transfer-Encoding: chunked" : $"Content-Length: {size}")}\r\n\r\n");
            byte[] framed = chunked ? [.. size == 0 ? [] : WireText.Bytes($"{size:x}\r\n"), .. body, .. WireText.Bytes(size == 0 ? "0\r\n\r\n" : "\r\n0\r\n\r\n")] : body;
            await client.SendAsync((byte[])[.. head, .. framed]);
            Assert.Equal(BodyPattern.HashOf(body), BodyPattern.HashOf((await client.ReadAnswerAsync()).Body));
            await client.SendAsync(head);
            await client.SendAsync((byte[])[.. framed, .. WireText.Bytes("GET /next HTTP/1.1\r\nHost: a\r\n\r\n")]);
            Assert.Equal(BodyPattern.HashOf(body), BodyPattern.HashOf((await client.ReadAnswerAsync()).Body));
            Assert.Empty((await client.ReadAnswerAsync()).Body);
        }
    }

    [Theory]
    [InlineData(false, false)]
    [InlineData(true, false)]
    [InlineData(false, true)]
    [InlineData(true, true)]
    public async Task Hundred_megabytes_pass_both_ways_at_once_in_flat_memory(bool requestChunked, bool answerChunked)
    {
        // The answer ends after the request: one that ends before it breaks the request off.
        var received = new TaskCompletionSource<string>();
        var answered = new TaskCompletionSource<string>();
        await using var origin = ScriptedOrigin.Start(async peer =>
        {
            await peer.ReadHeadAsync();
            await peer.SendAsync($"HTTP/1.1 200 OK\r\n{(answerChunked ? "Transfer-Encoding: chunked" : $"Content-Length: {Large}")}\r\n\r\n");
            var sending = new BodyPattern(2).SendAsync(peer, Large, answerChunked, beforeLast: received.Task);
            using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
            Assert.Equal(Large, requestChunked ? await peer.HashChunkedAsync(hash) : await peer.HashAsync(Large, hash));
            received.SetResult(Convert.ToHexStringLower(hash.GetHashAndReset()));
            answered.SetResult(await sending);
        });
        var folder = Directory.CreateTempSubdirectory("malha-bodies-");
        var file = Path.Combine(folder.FullName, "malha.yaml");
        await File.WriteAllTextAsync(file, TestGateway.File(origin.Url, service: "maxBody: off"), TestContext.Current.CancellationToken);
        await using var malha = await MalhaProcess.StartAsync(["run", file], 1);
        await using var client = await Peer.ConnectAsync(malha.Port);

        await client.SendAsync($"PUT / HTTP/1.1\r\nHost: a\r\n{(requestChunked ? "Transfer-Encoding: chunked" : $"Content-Length: {Large}")}\r\n\r\n");
        var sent = new BodyPattern(1).SendAsync(client, Large, requestChunked);
        Assert.StartsWith("HTTP/1.1 200", await client.ReadHeadAsync(), StringComparison.Ordinal);
        var before = ProcessFacts.ResidentBytes(malha.ProcessId);
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        Assert.Equal(Large, answerChunked ? await client.HashChunkedAsync(hash) : await client.HashAsync(Large, hash));

        Assert.Equal(await sent, await received.Task.WaitAsync(Peer.Patience, TestContext.Current.CancellationToken));
        Assert.Equal(await answered.Task.WaitAsync(Peer.Patience, TestContext.Current.CancellationToken), Convert.ToHexStringLower(hash.GetHashAndReset()));
        var grown = ProcessFacts.PeakResidentBytes(malha.ProcessId) - before;
        Assert.True(grown < 24 * 1024 * 1024, $"the process grew by {grown >> 10} KiB while 100 MB passed each way");
        folder.Delete(recursive: true);
    }

    [Fact]
    public async Task Trailers_pass_both_ways()
    {
        await using var origin = ScriptedOrigin.Answering(request =>
            $"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n4\r\nbody\r\n0\r\nX-Sum: {string.Join(',', request.Trailers.Select(field => $"{field.Name}={field.Value}"))}\r\nX-TE: {request.Value("TE")}\r\n\r\n");
        await using var gateway = TestGateway.Before(origin);
        await using var client = await gateway.ConnectAsync();
        foreach (var size in new[] { 3, 5_000, 150_000 })
        {
            var body = new string('z', size);
            await client.SendAsync($"POST / HTTP/1.1\r\nHost: a\r\nTE: trailers\r\nConnection: TE\r\nTransfer-Encoding: chunked\r\nTrailer: X-Check\r\n\r\n{size:x}\r\n{body}\r\n0\r\nX-Check: {size}\r\nX-More: m\r\n\r\n");
            var answer = await client.ReadAnswerAsync();
            Assert.Equal("body", WireText.Text(answer.Body));
            Assert.Equal([new WireField("X-Sum", $"X-Check={size},X-More=m"), new WireField("X-TE", "trailers")], answer.Trailers);
        }
    }

    [Fact]
    public async Task Trailers_that_come_late_and_in_pieces_pass()
    {
        await using var origin = ScriptedOrigin.Start(async peer =>
        {
            while (await peer.ReadRequestAsync() is { } request)
            {
                await peer.SendAsync("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\nX-S");
                await peer.SendAsync("um: 1\r\n");
                await peer.SendAsync($"X-Request: {request.Trailers.Single().Value}\r\n\r");
                await peer.SendAsync("\n");
            }
        });
        await using var gateway = TestGateway.Before(origin);
        await using var client = await gateway.ConnectAsync();
        for (var round = 0; round < 3; round++)
        {
            foreach (var piece in new[] { "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n", "X-Che", $"ck: r{round}\r\n\r", "\n" })
            {
                await client.SendAsync(piece);
                await Task.Yield();
            }
            var answer = await client.ReadAnswerAsync();
            Assert.Equal([new WireField("X-Sum", "1"), new WireField("X-Request", $"r{round}")], answer.Trailers);
        }
    }

    private static async Task ReturnBodyAsync(Peer peer)
    {
        while (await peer.ReadRequestAsync() is { } request)
        {
            if (request.Target != "/chunked")
            {
                await peer.SendAsync((byte[])[.. WireText.Bytes($"HTTP/1.1 200 OK\r\nContent-Length: {request.Body.Length}\r\n\r\n"), .. request.Body]);
                continue;
            }
            await peer.SendAsync("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
            for (int at = 0, size; at < request.Body.Length; at += size)
            {
                size = Math.Min(request.Body.Length - at, (at * 3 % 20_000) + 1);
                await peer.SendAsync((byte[])[.. WireText.Bytes($"{size:x};note=\"a\"\r\n"), .. request.Body.AsSpan(at, size), .. "\r\n"u8]);
            }
            await peer.SendAsync("0\r\n\r\n");
        }
    }
}
