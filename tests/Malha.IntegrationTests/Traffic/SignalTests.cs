using System.Diagnostics;
using Malha.IntegrationTests.Harness;
using Malha.IntegrationTests.Traffic.Support;

namespace Malha.IntegrationTests.Traffic;

/// <summary>What the program does when it is told to read its file again, to stop, and to stop now.</summary>
public sealed class SignalTests : IAsyncDisposable
{
    private readonly TaskCompletionSource _release = new();
    private readonly TaskCompletionSource _slowArrived = new();
    private readonly ScriptedOrigin _origin;
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("malha-signals-");

    public SignalTests() => _origin = ScriptedOrigin.Start(async peer =>
    {
        while (await peer.ReadRequestAsync() is { } request)
        {
            if (request.Target == "/slow")
            {
                _slowArrived.TrySetResult();
                await _release.Task;
            }
            await peer.SendAsync(ScriptedOrigin.Answer(request.Value("x-version") ?? "none"));
        }
    });

    public async ValueTask DisposeAsync()
    {
        _release.TrySetResult();
        await _origin.DisposeAsync();
        _folder.Delete(recursive: true);
    }

    [Fact]
    public async Task Hangup_reads_the_file_again()
    {
        var file = await WriteAsync("v1");
        await using var malha = await MalhaProcess.StartAsync(["run", file], 1);
        await using var client = await Peer.ConnectAsync(malha.Port);
        Assert.Equal("v1", await AskAsync(client));
        // Unchanged, and yet read again: the file may point to others that have changed.
        await SignalAsync(malha, "HUP");
        await Eventually.HoldsAsync(() => malha.Output.Contains("\"reloaded\"", StringComparison.Ordinal), "the reload is told");
        Assert.Equal("v1", await AskAsync(client));
    }

    [Fact]
    public async Task Term_finishes_what_is_under_way_and_ends_with_0()
    {
        await using var malha = await MalhaProcess.StartAsync(["run", await WriteAsync("v1")], 1);
        using var process = Process.GetProcessById(malha.ProcessId);
        await using var resting = await Peer.ConnectAsync(malha.Port);
        Assert.Equal("v1", await AskAsync(resting));
        await using var busy = await Peer.ConnectAsync(malha.Port);
        await busy.SendAsync("GET /slow HTTP/1.1\r\nHost: a\r\n\r\n");
        await _slowArrived.Task.WaitAsync(Peer.Patience, TestContext.Current.CancellationToken);

        await SignalAsync(malha, "TERM");
        Assert.Equal(ClientEnd.Closed, await resting.ReadToEndAsync());
        await Assert.ThrowsAsync<System.Net.Sockets.SocketException>(() => Peer.ConnectAsync(malha.Port));
        Assert.True(malha.IsRunning);
        _release.SetResult();
        var answer = await busy.ReadAnswerAsync();
        Assert.Equal((200, "v1", "close"), (answer.Status, WireText.Text(answer.Body), answer.Value("Connection")));
        Assert.Equal(ClientEnd.Closed, await busy.ReadToEndAsync());
        Assert.Equal(0, await malha.ExitedAsync(Peer.Patience));
    }

    [Fact]
    public async Task Second_signal_ends_at_once()
    {
        await using var malha = await MalhaProcess.StartAsync(["run", await WriteAsync("v1")], 1);
        await using var busy = await Peer.ConnectAsync(malha.Port);
        await busy.SendAsync("GET /slow HTTP/1.1\r\nHost: a\r\n\r\n");
        await _slowArrived.Task.WaitAsync(Peer.Patience, TestContext.Current.CancellationToken);
        await SignalAsync(malha, "TERM");
        await Eventually.HoldsAsync(() => malha.Output.Contains("\"draining\"", StringComparison.Ordinal), "the first signal drains");
        var since = TimeProvider.System.GetTimestamp();
        await SignalAsync(malha, "TERM");
        Assert.NotEqual(0, await malha.ExitedAsync(Peer.Patience));
        Assert.InRange(TimeProvider.System.GetElapsedTime(since), TimeSpan.Zero, TimeSpan.FromSeconds(8));
        Assert.NotEqual(ClientEnd.StillOpen, await busy.ReadToEndAsync());
    }

    private static async Task<string> AskAsync(Peer client)
    {
        await client.SendAsync("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        return WireText.Text((await client.ReadAnswerAsync()).Body);
    }

    private static async Task SignalAsync(MalhaProcess malha, string signal)
    {
        using var kill = Process.Start("kill", [$"-{signal}", $"{malha.ProcessId}"]);
        await kill.WaitForExitAsync(TestContext.Current.CancellationToken);
        Assert.Equal(0, kill.ExitCode);
    }

    private async Task<string> WriteAsync(string version)
    {
        var file = Path.Combine(_folder.FullName, "malha.yaml");
        await File.WriteAllTextAsync(file, TestGateway.File(_origin.Url, route: $"headers: {{ request: {{ set: {{ x-version: {version} }} }} }}"), TestContext.Current.CancellationToken);
        return file;
    }
}
