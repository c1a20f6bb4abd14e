using Malha.Configuration;
using Malha.Proxy.SelfProtection;
using Microsoft.Extensions.Time.Testing;

namespace Malha.Tests.SelfProtection;

public sealed class ProcessUseTests
{
    [Fact]
    public void Memory_is_what_the_system_says_and_reading_it_allocates_nothing()
    {
        using var use = new ProcessUse(TimeProvider.System);
        use.Memory();
        var before = GC.GetAllocatedBytesForCurrentThread();
        var memory = 0L;
        for (var look = 0; look < 100; look++)
            memory = use.Memory();
        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
        var resident = Environment.WorkingSet;
        Assert.InRange(memory, resident / 2, resident * 2);
    }

    [Fact]
    public void Connections_that_come_and_go_during_the_count_change_nothing()
    {
        var time = new FakeTimeProvider();
        using var use = new ProcessUse(time);
        Count(0, 0);
        var others = use.OtherFiles;
        Assert.True(others > 3, $"{others} are open");
        // A thousand connect after the files were counted, and leave again.
        Count(0, 1000);
        Assert.Equal(others, use.OtherFiles);
        Count(1000, 0);
        Assert.Equal(others, use.OtherFiles);

        void Count(long before, long after)
        {
            var looks = 0;
            time.Advance(TimeSpan.FromMinutes(1));
            use.CountFiles(() => looks++ == 0 ? before : after);
        }
    }

    [Fact]
    public void Limits_of_the_machine_bound_the_budgets()
    {
        var machine = new MachineLimits(Memory: 1000, Files: 100);
        Assert.Equal(new ProtectionLimits(750, 90, 100_000, 64 << 20), ProtectionLimits.Of(new ProtectionConfig(), machine));
        Assert.Equal(
            new ProtectionLimits(1 << 30, BudgetUse.Unlimited, 5, BudgetUse.Unlimited),
            ProtectionLimits.Of(new ProtectionConfig { Memory = new SizeOrShare(1 << 30, 0), Files = null, Connections = 5, Buffers = null }, machine));
        Assert.Equal(
            ProtectionLimits.None,
            ProtectionLimits.Of(new ProtectionConfig { Memory = null, Connections = null, Buffers = null }, machine with { Files = BudgetUse.Unlimited }));
        Assert.InRange(MachineLimits.Read().Memory, 64L << 20, 1L << 50);
    }
}
