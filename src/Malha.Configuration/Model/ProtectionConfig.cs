namespace Malha.Configuration;

/// <summary>What the gateway may use of its machine before it begins to protect itself. Null: not watched.</summary>
public sealed record ProtectionConfig : ConfigItem
{
    /// <summary>Of the memory that the process may have: its machine's, or its container's when that is less.</summary>
    public SizeOrShare? Memory { get; init; } = Defaults.ProtectionMemory.Value;

    /// <summary>Clients' connections over all listeners.</summary>
    public int? Connections { get; init; } = Defaults.ProtectionConnections.Value;

    /// <summary>The share, from 0 to 1, of the files that the process may open.</summary>
    public double? Files { get; init; } = Defaults.ProtectionFiles.Value;

    /// <summary>Bytes of request bodies in memory.</summary>
    public long? Buffers { get; init; } = Defaults.ProtectionBuffers.Value;
}
