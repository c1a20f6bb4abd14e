namespace Malha.Resilience;

/// <summary>How many connections one endpoint may take, and how many calls may wait for one.</summary>
public sealed record BulkheadOptions
{
    public int Connections { get; init; } = Defaults.BulkheadConnections;

    public int Pending { get; init; } = Defaults.BulkheadPending;

    /// <summary>All that is wrong with these settings; empty when nothing is.</summary>
    public IReadOnlyList<OptionError> Validate()
    {
        var checks = new OptionChecks();
        checks.AtLeast(Connections, 1, nameof(Connections));
        checks.Require(Pending >= 0, nameof(Pending), "must not be negative");
        return checks.Errors;
    }
}

/// <summary>
/// Keeps one endpoint from taking all connections and all waiting room. Both counts live in one 64-bit word, so that moving from waiting to connected is
/// one exchange and never counts twice. Fewer places after a reload take nothing away from who has one.
/// </summary>
public sealed class Bulkhead(BulkheadOptions options)
{
    private volatile BulkheadOptions _options = options;

    /// <summary>Connections in the low half, pending in the high half.</summary>
    private long _word;

    public BulkheadOptions Options => _options;

    public int Connections => (int)(Volatile.Read(ref _word) & 0xFFFFFFFF);

    public int Pending => (int)(Volatile.Read(ref _word) >> 32);

    public void Update(BulkheadOptions options) => _options = options;

    public bool TryConnect() => TryMove(connections: 1, pending: 0);

    public void Disconnect() => Move(connections: -1, pending: 0);

    /// <summary>Asks to wait for a connection; false when too many do.</summary>
    public bool TryWait() => TryMove(connections: 0, pending: 1);

    /// <summary>Gives up waiting.</summary>
    public void LeaveWait() => Move(connections: 0, pending: -1);

    /// <summary>From waiting to a new connection; false leaves it waiting.</summary>
    public bool TryConnectWaiting() => TryMove(connections: 1, pending: -1);

    private bool TryMove(int connections, int pending)
    {
        while (true)
        {
            var word = Volatile.Read(ref _word);
            var (connected, waiting) = ((int)(word & 0xFFFFFFFF) + connections, (int)(word >> 32) + pending);
            var options = _options;
            if ((connections > 0 && connected > options.Connections) || (pending > 0 && waiting > options.Pending))
                return false;
            if (Interlocked.CompareExchange(ref _word, ((long)waiting << 32) | (uint)connected, word) == word)
                return true;
        }
    }

    private void Move(int connections, int pending) => Interlocked.Add(ref _word, ((long)pending << 32) + connections);
}
