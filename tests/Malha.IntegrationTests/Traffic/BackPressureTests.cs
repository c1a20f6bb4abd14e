using Malha.IntegrationTests.Traffic.Support;

namespace Malha.IntegrationTests.Traffic;

/// <summary>Whoever does not read stops whoever sends: nothing is piled up in between but socket buffers.</summary>
public sealed class BackPressureTests
{
    private const long Body = 200 * 1024 * 1024;

    /// <summary>Two sockets' buffers on each side of the gateway as Linux grows them on loopback (4 MiB to send, 6 MiB to receive), with room.</summary>
    private const long MostInBetween = 32 * 1024 * 1024;

    [Fact]
    public async Task Server_is_not_read_further_than_the_client_reads()
    {
        var sent = 0L;
        await using var origin = ScriptedOrigin.Start(async peer =>
        {
            await peer.ReadRequestAsync();
            await peer.SendAsync($"HTTP/1.1 200 OK\r\nContent-Length: {Body}\r\n\r\n");
            await PourAsync(peer, count => Interlocked.Add(ref sent, count));
        });
        await using var gateway = TestGateway.Before(origin);
        await using var client = await gateway.ConnectAsync();
        await client.SendAsync("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        await client.ReadHeadAsync();

        var stopped = await Eventually.SettlesAsync(() => Interlocked.Read(ref sent));
        Assert.InRange(stopped, 1, MostInBetween);
        await client.ReadAsync(8 * 1024 * 1024);
        await Eventually.HoldsAsync(() => Interlocked.Read(ref sent) > stopped, "what the client has read makes room again");
    }

    [Fact]
    public async Task Client_is_not_read_further_than_the_server_reads()
    {
        var arrived = new TaskCompletionSource<Peer>();
        var done = new TaskCompletionSource();
        await using var origin = ScriptedOrigin.Start(async peer =>
        {
            await peer.ReadHeadAsync();
            arrived.SetResult(peer);
            await done.Task;
        });
        await using var gateway = TestGateway.Before(origin, service: "maxBody: off");
        await using var client = await gateway.ConnectAsync();
        await client.SendAsync($"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: {Body}\r\n\r\n");
        var sent = 0L;
        var pouring = PourAsync(client, count => Interlocked.Add(ref sent, count));
        var server = await arrived.Task;

        var stopped = await Eventually.SettlesAsync(() => Interlocked.Read(ref sent));
        Assert.InRange(stopped, 1, MostInBetween);
        await server.ReadAsync(8 * 1024 * 1024);
        await Eventually.HoldsAsync(() => Interlocked.Read(ref sent) > stopped, "what the server has read makes room again");
        done.SetResult();
        client.Reset();
        await pouring;
    }

    private static async Task PourAsync(Peer peer, Action<int> sent)
    {
        var piece = new byte[64 * 1024];
        try
        {
            for (var left = Body; left > 0; left -= piece.Length)
            {
                // Without the peer's patience: to be held up is what this is for.
                var count = 0;
                while (count < piece.Length)
                    count += await peer.Socket.SendAsync(piece.AsMemory(count), TestContext.Current.CancellationToken);
                sent(piece.Length);
            }
        }
        catch (Exception exception) when (exception is System.Net.Sockets.SocketException or ObjectDisposedException)
        {
            // The test has ended the connection.
        }
    }
}
