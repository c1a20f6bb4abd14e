namespace Malha.Delivery.Log;

/// <summary>What the embedded log may use. Sizes in bytes.</summary>
internal sealed record EmbeddedLogConfig
{
    public required string Path { get; init; }

    /// <summary>Writes that may be held: queued, or written and not yet synced. Ten thousand callers at once are an outage of one big service.</summary>
    public int QueueCount { get; init; } = 16_384;

    public long QueueBytes { get; init; } = 64L << 20;

    /// <summary>Largest group of one commit. RocksDB's own bound for a write group is 1 MiB.</summary>
    public int GroupCount { get; init; } = 1024;

    public long GroupBytes { get; init; } = 1L << 20;

    /// <summary>Largest body; design: 1 MiB.</summary>
    public int MaxBodyBytes { get; init; } = 1 << 20;

    /// <summary>What RocksDB keeps in memory before it writes a table.</summary>
    public long MemoryBytes { get; init; } = 32L << 20;

    /// <summary>Nothing is accepted while less is free. Tables of all that is in memory, and the logs it is in, must fit into it.</summary>
    public long MinimumFreeBytes { get; init; } = 256L << 20;

    /// <summary>A file that holds this much, given up when the log cannot be opened again for want of space.</summary>
    public long ReserveBytes { get; init; } = 32L << 20;

    /// <summary>Between two tries to open it again after an error.</summary>
    public TimeSpan RetryEvery { get; init; } = TimeSpan.FromMilliseconds(250);
}
