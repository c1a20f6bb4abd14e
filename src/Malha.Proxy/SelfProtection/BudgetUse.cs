namespace Malha.Proxy.SelfProtection;

/// <summary>What a gateway can run out of.</summary>
internal enum BudgetKind : byte
{
    Memory,
    Files,
    Connections,
    Buffers,
}

/// <summary>One budget at one moment.</summary>
/// <param name="Kind">Which one.</param>
/// <param name="Used">How much of it is used, in <see cref="Unit"/>.</param>
/// <param name="Limit">All of it, in <see cref="Unit"/>; <see cref="Unlimited"/> when nobody watches it.</param>
internal readonly record struct BudgetUse(BudgetKind Kind, long Used, long Limit)
{
    public const long Unlimited = long.MaxValue;

    public bool IsWatched => Limit != Unlimited;

    /// <summary>The part of it that is used: 1 is all of it.</summary>
    public double Share => IsWatched ? (double)Used / Math.Max(1, Limit) : 0;

    /// <summary>What logs and metrics call it: the key of its setting.</summary>
    public string Name => Kind switch
    {
        BudgetKind.Memory => "memory",
        BudgetKind.Files => "files",
        BudgetKind.Connections => "connections",
        _ => "buffers",
    };

    /// <summary>The path of its setting.</summary>
    public string Rule => Kind switch
    {
        BudgetKind.Memory => "protection.memory",
        BudgetKind.Files => "protection.files",
        BudgetKind.Connections => "protection.connections",
        _ => "protection.buffers",
    };

    public string Unit => Kind switch
    {
        BudgetKind.Files => "files",
        BudgetKind.Connections => "connections",
        _ => "bytes",
    };
}
