using Malha.Configuration;

namespace Malha.Proxy.SelfProtection;

/// <summary>What the gateway uses now.</summary>
/// <param name="Memory">Bytes: resident, or the managed heap when that is more (a part of it may be swapped out).</param>
/// <param name="Files">Connections of both sides, and all other files that are open.</param>
/// <param name="Connections">Connections of clients.</param>
/// <param name="Buffers">Bytes of request bodies.</param>
internal readonly record struct ProtectionReadings(long Memory, long Files, long Connections, long Buffers);

/// <summary>The budgets, in absolute figures; <see cref="BudgetUse.Unlimited"/>: not watched.</summary>
internal sealed record ProtectionLimits(long Memory, long Files, long Connections, long Buffers)
{
    public static ProtectionLimits None { get; } = new(BudgetUse.Unlimited, BudgetUse.Unlimited, BudgetUse.Unlimited, BudgetUse.Unlimited);

    public static ProtectionLimits Of(ProtectionConfig config, MachineLimits machine) => new(
        config.Memory?.Of(machine.Memory) ?? BudgetUse.Unlimited,
        config.Files is { } share && machine.Files != BudgetUse.Unlimited ? (long)(machine.Files * share) : BudgetUse.Unlimited,
        config.Connections ?? BudgetUse.Unlimited,
        config.Buffers ?? BudgetUse.Unlimited);

    public BudgetUse Use(BudgetKind kind, in ProtectionReadings readings) => kind switch
    {
        BudgetKind.Memory => new(kind, readings.Memory, Memory),
        BudgetKind.Files => new(kind, readings.Files, Files),
        BudgetKind.Connections => new(kind, readings.Connections, Connections),
        _ => new(kind, readings.Buffers, Buffers),
    };

    /// <summary>The budget of which most is used.</summary>
    public BudgetUse Tightest(in ProtectionReadings readings)
    {
        var tightest = Use(BudgetKind.Memory, readings);
        for (var kind = BudgetKind.Files; kind <= BudgetKind.Buffers; kind++)
        {
            var use = Use(kind, readings);
            if (use.Share > tightest.Share)
                tightest = use;
        }
        return tightest;
    }
}
