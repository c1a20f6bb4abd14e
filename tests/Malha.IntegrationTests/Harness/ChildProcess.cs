using System.Diagnostics;
using System.Text;

namespace Malha.IntegrationTests.Harness;

/// <summary>A child whose output is kept and watched, and which is gone, with its own children, when this is disposed.</summary>
internal sealed class ChildProcess : IAsyncDisposable
{
    private readonly StringBuilder _output = new();
    private readonly Process _process;
    private readonly Func<string, bool> _isReady;
    private readonly TaskCompletionSource<bool> _ready = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly Task _reading;

    private ChildProcess(Process process, Func<string, bool> isReady)
    {
        _process = process;
        _isReady = isReady;
        _reading = Task.WhenAll(ReadAsync(process.StandardOutput), ReadAsync(process.StandardError));
        _ = _reading.ContinueWith(_ => _ready.TrySetResult(false), TaskScheduler.Default);
    }

    public bool IsRunning => !_process.HasExited;

    public int Id => _process.Id;

    public string Output
    {
        get
        {
            lock (_output)
                return _output.ToString();
        }
    }

    /// <param name="program">The executable.</param>
    /// <param name="arguments">Its arguments.</param>
    /// <param name="environment">Added to this process's own.</param>
    /// <param name="isReady">Asked for each line that it prints; true: it is ready.</param>
    public static ChildProcess Start(string program, IEnumerable<string> arguments, IReadOnlyDictionary<string, string> environment, Func<string, bool> isReady)
    {
        var start = new ProcessStartInfo(program, arguments) { RedirectStandardOutput = true, RedirectStandardError = true, RedirectStandardInput = true };
        foreach (var (name, value) in environment)
            start.Environment[name] = value;
        return new ChildProcess(Process.Start(start)!, isReady);
    }

    /// <summary>Waits for the line that says so; throws with all output when the child ends or stays silent.</summary>
    public async Task ReadyAsync(TimeSpan patience)
    {
        var ready = false;
        try
        {
            ready = await _ready.Task.WaitAsync(patience, TestContext.Current.CancellationToken);
        }
        catch (TimeoutException)
        {
            // Told below, with what it printed.
        }
        if (!ready)
            throw new InvalidOperationException($"{_process.StartInfo.FileName} {(IsRunning ? "did not say that it is ready" : "ended")}:\n{Output}");
    }

    /// <summary>Waits until it ends by itself; its exit code.</summary>
    public async Task<int> ExitedAsync(TimeSpan patience)
    {
        await _process.WaitForExitAsync(TestContext.Current.CancellationToken).WaitAsync(patience);
        return _process.ExitCode;
    }

    public async ValueTask DisposeAsync()
    {
        try
        {
            _process.Kill(entireProcessTree: true);
        }
        catch (InvalidOperationException)
        {
            // It has ended by itself.
        }
        await _process.WaitForExitAsync();
        await _reading;
        _process.Dispose();
    }

    private async Task ReadAsync(StreamReader reader)
    {
        while (await reader.ReadLineAsync() is { } line)
        {
            lock (_output)
                _output.AppendLine(line);
            if (_isReady(line))
                _ready.TrySetResult(true);
        }
    }
}
