using System.Collections.Concurrent;
using System.Net;
using System.Text.Json;

namespace Malha.IntegrationTests.Harness;

/// <summary>The built `malha` as a child process. It tells the addresses it took in its log, one JSON object a line.</summary>
internal sealed class MalhaProcess : ProxyUnderTest
{
    // The first start on a busy machine compiles; a ready one needs 300 ms.
    private static readonly TimeSpan StartPatience = TimeSpan.FromSeconds(30);

    private readonly ConcurrentDictionary<string, IPEndPoint> _listeners = new();
    private readonly ChildProcess _child;

    private MalhaProcess(IReadOnlyList<string> arguments, IReadOnlyDictionary<string, string>? environment, int listeners, int? openFiles)
    {
        var program = Path.Combine(AppContext.BaseDirectory, "malha");
        if (openFiles is { } limit)
            (program, arguments) = ("/bin/sh", ["-c", $"ulimit -n {limit} && exec \"$0\" \"$@\"", program, .. arguments]);
        _child = ChildProcess.Start(program, arguments, environment ?? new Dictionary<string, string>(), line =>
        {
            Note(line);
            return _listeners.Count >= listeners;
        });
    }

    public override string Name => "malha";

    /// <summary>The port of the one listener that was asked for, or the first of them by name.</summary>
    public override int Port => _listeners.OrderBy(listener => listener.Key, StringComparer.Ordinal).First().Value.Port;

    public override string Output => _child.Output;

    public override bool IsRunning => _child.IsRunning;

    public int ProcessId => _child.Id;

    /// <summary>`malha run --upstream URL` on a free port.</summary>
    public static new Task<MalhaProcess> StartAsync(Uri upstream) =>
        StartAsync(["run", "--upstream", upstream.ToString().TrimEnd('/'), "--listen", "127.0.0.1:0"], 1);

    /// <summary>Any command line; returns when so many listeners have told their addresses.</summary>
    public static async Task<MalhaProcess> StartAsync(
        IReadOnlyList<string> arguments, int listeners, IReadOnlyDictionary<string, string>? environment = null, int? openFiles = null)
    {
        var malha = new MalhaProcess(arguments, environment, listeners, openFiles);
        try
        {
            await malha._child.ReadyAsync(StartPatience);
            return malha;
        }
        catch
        {
            await malha.DisposeAsync();
            throw;
        }
    }

    /// <summary>Waits until it ends by itself; its exit code.</summary>
    public Task<int> ExitedAsync(TimeSpan patience) => _child.ExitedAsync(patience);

    public IPEndPoint Listener(string name) => _listeners[name];

    public override ValueTask DisposeAsync() => _child.DisposeAsync();

    private void Note(string line)
    {
        if (!line.StartsWith('{'))
            return;
        try
        {
            using var entry = JsonDocument.Parse(line);
            if (Text(entry, "event") == "listening" && Text(entry, "listener") is { } name && IPEndPoint.TryParse(Text(entry, "address") ?? "", out var address))
                _listeners[name] = address;
        }
        catch (JsonException)
        {
            // Another program's line that begins like ours.
        }
    }

    private static string? Text(JsonDocument entry, string name) =>
        entry.RootElement.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.String ? value.GetString() : null;
}
