using Malha.Delivery.Log;
using Malha.Delivery.Operations;
using Malha.IntegrationTests.Harness;

namespace Malha.IntegrationTests.Delivery;

/// <summary>A process that accepts until it is killed, and the ledger of what it told: kept here, where no kill reaches it.</summary>
internal sealed class LoadProcess : IAsyncDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    private readonly ChildProcess _child;
    private int _acknowledged;
    private bool _gone;

    private LoadProcess(string program, IReadOnlyList<string> arguments)
    {
        _child = ChildProcess.Start(program, arguments, new Dictionary<string, string>(), line =>
        {
            if (line.StartsWith("a ", StringComparison.Ordinal))
                Interlocked.Increment(ref _acknowledged);
            return line.StartsWith("# opened Opened", StringComparison.Ordinal);
        });
    }

    public static string Program => Path.Combine(AppContext.BaseDirectory, "delivery-bench");

    public int Acknowledged => Volatile.Read(ref _acknowledged);

    public string Output => _child.Output;

    public bool IsRunning => _child.IsRunning;

    public static async Task<LoadProcess> StartAsync(string path, IReadOnlyList<string> options, IReadOnlyList<string>? under = null)
    {
        IReadOnlyList<string> command = [.. under ?? [], Program, "load", path, .. options];
        var load = new LoadProcess(command[0], [.. command.Skip(1)]);
        await load._child.ReadyAsync(Patience);
        return load;
    }

    public Task<int> ExitedAsync() => _child.ExitedAsync(Patience);

    /// <summary>SIGKILL; all that it told before is in the ledger when this returns.</summary>
    public async ValueTask KillAsync()
    {
        if (_gone)
            return;
        _gone = true;
        await _child.DisposeAsync();
    }

    public ValueTask DisposeAsync() => KillAsync();

    /// <summary>What it told: level, id, target. A line that the kill cut short was not told.</summary>
    public List<(OperationId Id, string Target)> Ledger()
    {
        var ledger = new List<(OperationId, string)>();
        foreach (var line in Output.Split('\n'))
        {
            if (line.TrimEnd('\r').Split(' ') is ["a", _, var id, var target] && OperationId.TryParse(id, out var operation))
                ledger.Add((operation, target));
        }
        return ledger;
    }

    /// <summary>Opens the log and compares it with the ledger.</summary>
    public static async Task HoldsAsync(EmbeddedLogConfig config, IReadOnlyCollection<(OperationId Id, string Target)> ledger)
    {
        var (report, log) = EmbeddedLog.Open(config, TimeProvider.System);
        Assert.True(log is not null, report.Message);
        await using (log)
        {
            foreach (var (id, target) in ledger)
                Assert.True(log!.Find(id).Value?.Target == target, $"{id} {target} was acknowledged and is {log.Find(id).Outcome}");
            InOrder(log!);
        }
    }

    // Targets count up within a caller's key: a key's order is the order of acceptance.
    private static void InOrder(EmbeddedLog log)
    {
        var keys = new Dictionary<string, string>();
        long after = 0;
        while (log.Lane("payments", after, 5000).Value is { Count: > 0 } page)
        {
            foreach (var entry in page)
            {
                var operation = log.Find(entry.Id).Value!;
                if (keys.TryGetValue(operation.Key, out var before))
                    Assert.True(string.CompareOrdinal(before, operation.Target) < 0, $"{operation.Target} stands behind {before}");
                keys[operation.Key] = operation.Target;
            }
            after = page[^1].Position;
        }
    }
}
