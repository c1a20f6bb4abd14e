using System.Diagnostics;
using System.Globalization;

namespace Malha.Lab.Kafka;

/// <summary>How many processes, of which kind.</summary>
internal enum ClusterShape
{
    /// <summary>One process that is broker and controller: ready soonest; what is lost with it cannot be measured.</summary>
    Combined,

    /// <summary>Three brokers, and three controllers in processes of their own, so that a fault hits brokers alone.</summary>
    ThreeBrokers,
}

/// <summary>Why there is no cluster, or why it did not do what it was told: to be read by whoever can mend it.</summary>
internal sealed class KafkaClusterException(string message) : Exception(message);

/// <summary>
/// A real Kafka of its own, on free ports and with its data in a temporary folder, by way of the script <c>tools/kafka</c>: it alone knows command lines and process ids, and looks at what a
/// process is before it sends it a signal. It ends when this is disposed, and also when this process is killed.
/// </summary>
internal sealed class KafkaCluster : IAsyncDisposable
{
    /// <summary>Ten seconds on an idle machine with two cores; the rest is for one that is not idle.</summary>
    private static readonly TimeSpan StartPatience = TimeSpan.FromMinutes(4);

    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(2);

    private readonly string _script;
    private readonly DirectoryInfo _folder;

    private KafkaCluster(string script, DirectoryInfo folder) => (_script, _folder) = (script, folder);

    /// <summary>Addresses of all brokers.</summary>
    public string Bootstrap { get; private set; } = "";

    private string Data => Path.Combine(_folder.FullName, "cluster");

    /// <summary>Why none can be started on this machine, with what to do; null: one can.</summary>
    public static async Task<string?> MissingAsync(string root, CancellationToken cancellation)
    {
        var script = Script(root);
        if (!File.Exists(script))
            return $"{script} is missing: a real Kafka is started by a script of the source tree; run this from a checkout of Malha";
        var (code, said) = await RunAsync(script, ["libs"], StartPatience * 3, cancellation);
        return code == 0 ? null : said.Trim();
    }

    /// <summary>Starts one.</summary>
    /// <exception cref="KafkaClusterException">It did not get ready, and the message says why.</exception>
    public static async Task<KafkaCluster> StartAsync(string root, ClusterShape shape, CancellationToken cancellation)
    {
        var cluster = new KafkaCluster(Script(root), Directory.CreateTempSubdirectory("malha-kafka-"));
        try
        {
            string[] what = shape == ClusterShape.Combined ? ["--combined"] : ["--brokers", "3"];
            var said = await cluster.CommandAsync(["up", .. what, "--while", Environment.ProcessId.ToString(CultureInfo.InvariantCulture)], StartPatience, cancellation);
            cluster.Bootstrap = said.Split('\n').Single(line => line.StartsWith("bootstrap ", StringComparison.Ordinal))["bootstrap ".Length..];
            return cluster;
        }
        catch
        {
            await cluster.DisposeAsync();
            throw;
        }
    }

    /// <summary>Sends a signal (TERM, KILL, STOP, CONT) to brokers that run.</summary>
    public Task SignalAsync(string signal, IEnumerable<int> brokers, CancellationToken cancellation) =>
        CommandAsync(["signal", signal, .. Numbers(brokers)], Patience, cancellation);

    /// <summary>Starts brokers that have ended; they are ready when this ends.</summary>
    public Task StartAsync(IEnumerable<int> brokers, CancellationToken cancellation) => CommandAsync(["start", .. Numbers(brokers)], Patience, cancellation);

    /// <summary>Brokers that have not ended; one that is frozen has not.</summary>
    public async Task<IReadOnlyList<int>> RunningAsync(CancellationToken cancellation) =>
        [.. (await CommandAsync(["status"], Patience, cancellation)).Split('\n').Select(line => line.Split(' '))
            .Where(words => words is ["broker", _, "pid", _]).Select(words => int.Parse(words[1], CultureInfo.InvariantCulture))];

    public async ValueTask DisposeAsync()
    {
        // The temporary folder is all that is left of it, whatever became of the processes.
        await RunAsync(_script, ["down", "--dir", Data], Patience, CancellationToken.None);
        _folder.Delete(recursive: true);
    }

    private static string Script(string root) => Path.Combine(root, "tools", "kafka");

    private static IEnumerable<string> Numbers(IEnumerable<int> brokers) => brokers.Select(broker => broker.ToString(CultureInfo.InvariantCulture));

    private async Task<string> CommandAsync(IReadOnlyList<string> arguments, TimeSpan patience, CancellationToken cancellation)
    {
        var (code, said) = await RunAsync(_script, [.. arguments, "--dir", Data], patience, cancellation);
        return code == 0 ? said : throw new KafkaClusterException($"tools/kafka {string.Join(' ', arguments)} failed with code {code.ToString(CultureInfo.InvariantCulture)}:\n{said.Trim()}");
    }

    private static async Task<(int Code, string Said)> RunAsync(string script, IEnumerable<string> arguments, TimeSpan patience, CancellationToken cancellation)
    {
        var start = new ProcessStartInfo(script, arguments) { RedirectStandardOutput = true, RedirectStandardError = true };
        using var process = Process.Start(start)!;
        using var deadline = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        deadline.CancelAfter(patience);
        try
        {
            var said = await Task.WhenAll(process.StandardOutput.ReadToEndAsync(deadline.Token), process.StandardError.ReadToEndAsync(deadline.Token));
            await process.WaitForExitAsync(deadline.Token);
            return (process.ExitCode, string.Concat(said));
        }
        catch (OperationCanceledException) when (!cancellation.IsCancellationRequested)
        {
            return (-1, $"no end within {patience.TotalSeconds.ToString(CultureInfo.InvariantCulture)} s");
        }
        finally
        {
            if (!process.HasExited)
                process.Kill();
        }
    }
}
