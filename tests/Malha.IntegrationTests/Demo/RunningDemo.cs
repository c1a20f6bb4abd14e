using System.Collections.Concurrent;
using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;

namespace Malha.IntegrationTests.Demo;

/// <summary>A <c>malha demo</c> on free ports, from its first line to its end.</summary>
internal sealed class RunningDemo : IAsyncDisposable
{
    private static readonly string Program = Path.Combine(AppContext.BaseDirectory, "malha");
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(120);

    private readonly Process _process;
    private readonly ConcurrentQueue<string> _printed = new();
    private readonly TaskCompletionSource _ready = new(TaskCreationOptions.RunContinuationsAsynchronously);

    private RunningDemo(Process process, int port)
    {
        _process = process;
        Gateway = string.Create(CultureInfo.InvariantCulture, $"http://127.0.0.1:{port}");
    }

    public string Gateway { get; }

    public static async Task<RunningDemo> StartAsync(CancellationToken cancellation)
    {
        var (port, adminPort) = FreePorts();
        var start = Redirected(Program, ["demo", "--port", Text(port), "--admin-port", Text(adminPort)]);
        var demo = new RunningDemo(Process.Start(start)!, port);
        demo._process.OutputDataReceived += (_, line) => demo.Read(line.Data);
        demo._process.ErrorDataReceived += (_, line) => demo.Read(line.Data);
        demo._process.BeginOutputReadLine();
        demo._process.BeginErrorReadLine();
        await demo._ready.Task.WaitAsync(Patience, cancellation);
        return demo;
    }

    public static async Task<(int Code, string Output, string Error)> RunToEndAsync(string[] arguments, CancellationToken cancellation)
    {
        using var process = Process.Start(Redirected(Program, arguments))!;
        var output = process.StandardOutput.ReadToEndAsync(cancellation);
        var error = process.StandardError.ReadToEndAsync(cancellation);
        await process.WaitForExitAsync(cancellation);
        return (process.ExitCode, await output, await error);
    }

    public static bool IsAlive(int pid)
    {
        try
        {
            // A zombie has ended; whoever is to reap it is not our matter.
            return File.ReadAllText($"/proc/{pid}/stat").Split(')')[^1].Trim()[0] != 'Z';
        }
        catch (IOException)
        {
            return false;
        }
    }

    public static Task WaitForEndAsync(int pid, CancellationToken cancellation) => UntilAsync(() => !IsAlive(pid), cancellation);

    /// <summary>The processes that the demo has started and that run now.</summary>
    public List<int> Children() =>
        [.. Directory.EnumerateDirectories("/proc").Select(Path.GetFileName).Where(name => int.TryParse(name, out _)).Select(name => int.Parse(name!, CultureInfo.InvariantCulture))
            .Where(pid => IsAlive(pid) && ParentOf(pid) == _process.Id)];

    /// <summary>Sends the signal and waits for the end; the result is the exit code.</summary>
    public async Task<int> SignalAsync(string signal, CancellationToken cancellation)
    {
        using var kill = Process.Start("kill", [$"-{signal}", Text(_process.Id)]);
        await kill.WaitForExitAsync(cancellation);
        await _process.WaitForExitAsync(cancellation).WaitAsync(Patience, cancellation);
        return _process.ExitCode;
    }

    /// <summary>
    /// Runs the printed line with this number among those that begin so, as a reader would, in the repository's root; <c>./malha</c> is the program under test.
    /// </summary>
    public async Task<string> TryLineAsync(string beginning, int number, int expectedCode, CancellationToken cancellation)
    {
        var line = _printed.Select(printed => printed.Trim()).Where(printed => printed.StartsWith(beginning + ' ', StringComparison.Ordinal)).ElementAt(number);
        var start = Redirected("bash", ["-c", line.Replace("./malha ", $"'{Program}' ", StringComparison.Ordinal)]);
        start.WorkingDirectory = Root();
        using var shell = Process.Start(start)!;
        var output = shell.StandardOutput.ReadToEndAsync(cancellation);
        var error = shell.StandardError.ReadToEndAsync(cancellation);
        await shell.WaitForExitAsync(cancellation);
        var said = await output + await error;
        Assert.True(shell.ExitCode == expectedCode, $"{line}\nended with {shell.ExitCode}:\n{said}");
        return said;
    }

    /// <summary>Sends the request through the gateway until it is answered with success.</summary>
    public async Task UntilAnswersAsync(Func<HttpRequestMessage> request, CancellationToken cancellation)
    {
        using var client = new HttpClient { BaseAddress = new Uri(Gateway) };
        await UntilAsync(
            async () =>
            {
                using var message = request();
                using var answer = await client.SendAsync(message, cancellation);
                return answer.IsSuccessStatusCode;
            },
            cancellation);
    }

    /// <summary>Waits until the log of one of the demo's processes contains the text.</summary>
    public async Task WaitForLogAsync(string process, string text, CancellationToken cancellation)
    {
        var log = Path.Combine(Root(), "artifacts", "demo-" + new Uri(Gateway).Port.ToString(CultureInfo.InvariantCulture), process + ".log");
        await UntilAsync(() => File.ReadAllText(log).Contains(text, StringComparison.Ordinal), cancellation);
    }

    public async ValueTask DisposeAsync()
    {
        if (!_process.HasExited)
            await SignalAsync("TERM", CancellationToken.None);
        _process.Dispose();
    }

    private static Task UntilAsync(Func<bool> condition, CancellationToken cancellation) => UntilAsync(() => Task.FromResult(condition()), cancellation);

    private static async Task UntilAsync(Func<Task<bool>> condition, CancellationToken cancellation)
    {
        using var timer = new PeriodicTimer(TimeSpan.FromMilliseconds(20));
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        patience.CancelAfter(TimeSpan.FromSeconds(60));
        while (!await condition())
            await timer.WaitForNextTickAsync(patience.Token);
    }

    private static ProcessStartInfo Redirected(string program, IEnumerable<string> arguments) => new(program, arguments)
    {
        RedirectStandardOutput = true,
        RedirectStandardError = true,
    };

    private static (int Port, int AdminPort) FreePorts()
    {
        using var first = new TcpListener(IPAddress.Loopback, 0);
        using var second = new TcpListener(IPAddress.Loopback, 0);
        first.Start();
        second.Start();
        return (((IPEndPoint)first.LocalEndpoint).Port, ((IPEndPoint)second.LocalEndpoint).Port);
    }

    private static string Root()
    {
        var directory = new DirectoryInfo(AppContext.BaseDirectory);
        while (!File.Exists(Path.Combine(directory.FullName, "Malha.slnx")))
            directory = directory.Parent!;
        return directory.FullName;
    }

    private static int ParentOf(int pid)
    {
        try
        {
            return int.Parse(File.ReadAllText($"/proc/{pid}/stat").Split(')')[^1].Split(' ', StringSplitOptions.RemoveEmptyEntries)[1], CultureInfo.InvariantCulture);
        }
        catch (IOException)
        {
            return 0;
        }
    }

    private static string Text(int number) => number.ToString(CultureInfo.InvariantCulture);

    private void Read(string? line)
    {
        if (line is null)
        {
            _ready.TrySetException(new InvalidOperationException(string.Join('\n', _printed)));
            return;
        }

        _printed.Enqueue(line);
        // The last of the lines to try: all is up, and all is said.
        if (line.TrimStart().StartsWith("mv ", StringComparison.Ordinal))
            _ready.TrySetResult();
    }
}
