using System.Diagnostics;
using System.Globalization;
using System.Text.RegularExpressions;

namespace Malha.Cli.Demo;

/// <summary>
/// A program that the demo started. Its standard input is a pipe from us: it ends when the pipe does, and so also when we are killed. What it
/// prints goes to its log.
/// </summary>
internal sealed partial class DemoProcess : IAsyncDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(10);

    private readonly Process _process;
    private readonly StreamWriter _log;
    private readonly TaskCompletionSource<int?> _port = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly Task _exited;
    private readonly TimeProvider _time;

    private DemoProcess(string name, Process process, StreamWriter log, TimeProvider time)
    {
        Name = name;
        _process = process;
        _log = log;
        _time = time;
        _exited = PumpAsync();
    }

    public string Name { get; }

    public Task Exited => _exited;

    /// <summary>The port that the program says it listens on ("web listens on http://127.0.0.1:7101"); null when it has ended without a word.</summary>
    public Task<int?> Port => _port.Task;

    /// <summary>Valid once <see cref="Exited"/> has completed.</summary>
    public int ExitCode => _process.ExitCode;

    public static DemoProcess Start(
        string name, string program, IEnumerable<string> arguments, IReadOnlyDictionary<string, string> environment, string log, TimeProvider time)
    {
        var start = new ProcessStartInfo(program, arguments)
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        // What `malha` sets for its own sockets is not for the programs that it starts.
        start.Environment.Remove("DOTNET_SYSTEM_NET_SOCKETS_INLINE_COMPLETIONS");
        foreach (var (key, value) in environment)
            start.Environment[key] = value;
        var writer = new StreamWriter(log, append: false) { AutoFlush = true };
        return new DemoProcess(name, Process.Start(start)!, writer, time);
    }

    /// <summary>Closes the pipe and waits; a program that does not end in time is killed.</summary>
    public async Task StopAsync()
    {
        _process.StandardInput.Close();
        try
        {
            await _exited.WaitAsync(Patience, _time);
        }
        catch (TimeoutException)
        {
            _process.Kill(entireProcessTree: true);
            await _exited;
        }
    }

    public async ValueTask DisposeAsync()
    {
        await StopAsync();
        _process.Dispose();
        await _log.DisposeAsync();
    }

    private async Task PumpAsync()
    {
        await Task.WhenAll(CopyAsync(_process.StandardOutput), CopyAsync(_process.StandardError));
        await _process.WaitForExitAsync();
        _port.TrySetResult(null);
    }

    private async Task CopyAsync(StreamReader from)
    {
        while (await from.ReadLineAsync() is { } line)
        {
            lock (_log)
                _log.WriteLine(line);
            if (ListensOn().Match(line) is { Success: true } match)
                _port.TrySetResult(int.Parse(match.Groups[1].ValueSpan, CultureInfo.InvariantCulture));
        }
    }

    [GeneratedRegex(@" listens on http://127\.0\.0\.1:(\d+)$")]
    private static partial Regex ListensOn();
}
