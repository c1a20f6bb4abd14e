using Malha.IntegrationTests.Harness;
using Malha.IntegrationTests.Traffic.Support;

namespace Malha.IntegrationTests.Traffic;

/// <summary>The built program before real servers: bodies of many sizes come back whole and to whom they belong, and many requests none of which fails.</summary>
[Collection(nameof(ResourceTests))]
public sealed class RealServerTests
{
    private static readonly bool All = Environment.GetEnvironmentVariable("MALHA_TEST_ALL") == "1";

    private static readonly int[] Sizes = [0, 1, 100, 4_000, 4_096, 16_384, 20_000, 65_536, 70_000, 300_000];

    [Fact]
    public async Task Node_returns_every_body_to_its_sender()
    {
        await using var server = await RealServer.StartNodeAsync();
        Assert.SkipWhen(server is null, "node is missing: apt-get install nodejs");
        await ReturnAsync(server!.Url, 250_000);
    }

    [Fact]
    public async Task Python_returns_every_body_to_its_sender()
    {
        await using var server = await RealServer.StartPythonAsync();
        Assert.SkipWhen(server is null, "python3 is missing: apt-get install python3");
        await ReturnAsync(server!.Url, 50_000);
    }

    [Fact]
    public async Task Kestrel_returns_every_body_to_its_sender()
    {
        await using var server = await KestrelOrigin.StartAsync();
        await ReturnAsync(server.Url, 200_000);
    }

    [Fact]
    public async Task Nginx_serves_files_of_every_size_to_whom_asked()
    {
        var files = Directory.CreateTempSubdirectory("malha-files-");
        foreach (var size in Sizes)
            await File.WriteAllBytesAsync(Path.Combine(files.FullName, $"{size}"), BodyPattern.Bytes((ulong)size, size), TestContext.Current.CancellationToken);
        await using var server = await RealServer.StartNginxAsync(files.FullName);
        Assert.SkipWhen(server is null, "nginx is missing: apt-get install nginx-light");
        await using var malha = await TestGateway.RunAsync(server!.Url);
        await CrowdAsync(malha.Port, (worker, number) =>
        {
            var size = Sizes[number % Sizes.Length];
            return ($"GET /files/{size} HTTP/1.1\r\nHost: a\r\nX-Id: {worker}-{number}\r\n\r\n", [], BodyPattern.Bytes((ulong)size, size));
        });
        await FloodAsync(malha.Port, 500_000);
        files.Delete(recursive: true);
    }

    // The program's own addresses in the answer would be a mix-up too: each body is made of its request's number.
    private static async Task ReturnAsync(string url, long flood)
    {
        await using var malha = await TestGateway.RunAsync(url);
        await CrowdAsync(malha.Port, (worker, number) =>
        {
            var body = BodyPattern.Bytes((ulong)((worker * 100_000) + number), Sizes[(worker + number) % Sizes.Length]);
            var head = $"{(number % 2 == 0 ? "POST" : "PUT")} /echo HTTP/1.1\r\nHost: a\r\nX-Id: {worker}-{number}\r\n";
            if (number % 3 != 0)
                return (head + $"Content-Length: {body.Length}\r\n\r\n", body, body);
            byte[] chunked = [.. body.Length == 0 ? [] : WireText.Bytes($"{body.Length:x}\r\n"), .. body, .. WireText.Bytes(body.Length == 0 ? "0\r\n\r\n" : "\r\n0\r\n\r\n")];
            return (head + "Transfer-Encoding: chunked\r\n\r\n", chunked, body);
        });
        await FloodAsync(malha.Port, flood);
    }

    private static Task CrowdAsync(int port, Func<int, int, (string Head, byte[] Sent, byte[] Expected)> request) =>
        Task.WhenAll(Enumerable.Range(0, 8).Select(worker => Task.Run(async () =>
        {
            var client = await Peer.ConnectAsync(port);
            for (var number = 0; number < (All ? 1_000 : 60); number++)
            {
                var (head, sent, expected) = request(worker, number);
                await client.SendAsync(head);
                // Beside the answer: a server may return what has come while the rest is on its way.
                var sending = client.SendAsync(sent);
                var answer = await client.ReadAnswerAsync();
                await sending;
                Assert.True(answer.Status == 200, $"{head}: {answer.Status} {WireText.Show(answer.Body, 200)}");
                Assert.Equal($"{worker}-{number}", answer.Value("X-Id"));
                Assert.Equal(BodyPattern.HashOf(expected), BodyPattern.HashOf(answer.Body));
                // An answer that began before its request was complete ends the connection (docs/http1.md).
                if (answer.Value("Connection") == "close")
                {
                    await client.DisposeAsync();
                    client = await Peer.ConnectAsync(port);
                }
            }
            await client.DisposeAsync();
        })));

    private static async Task FloodAsync(int port, long count)
    {
        if (!File.Exists(Wrk.Program))
        {
            Assert.Skip("wrk is missing: apt-get install wrk");
            return;
        }
        for (var done = 0L; done < (All ? count : 1);)
            done += await Wrk.RunAsync(port, seconds: All ? 10 : 1);
    }
}
