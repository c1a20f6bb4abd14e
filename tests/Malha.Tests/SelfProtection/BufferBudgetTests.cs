using Malha.Proxy.SelfProtection;

namespace Malha.Tests.SelfProtection;

public sealed class BufferBudgetTests
{
    private readonly BufferBudget _budget = new();

    [Fact]
    public void Bodies_are_kept_up_to_half_of_the_budget_and_streamed_beyond()
    {
        _budget.Update(1 << 20);
        var sizes = Enumerable.Range(0, 100).Select(_ => _budget.Take(60_000, 4096, isOwed: false)).ToArray();
        Assert.Equal([.. Enumerable.Repeat(65_536, 8), .. Enumerable.Repeat(4096, 92)], sizes);
        Assert.Equal((8 * 65_536) + (92 * 4096), _budget.Used);
        Assert.Equal(92, _budget.Streamed);
        _budget.Return(sizes[0]);
        // What streams takes of the same budget.
        Assert.Equal(4096, _budget.Take(60_000, 4096, isOwed: false));
        foreach (var size in sizes.Skip(1).Append(4096))
            _budget.Return(size);
        Assert.Equal(0, _budget.Used);
        Assert.Equal(65_536, _budget.Take(60_000, 4096, isOwed: false));
    }

    [Fact]
    public void What_is_owed_is_kept_however_full_it_is_and_a_small_body_is_no_smaller_streamed()
    {
        _budget.Update(0);
        Assert.Equal(65_536, _budget.Take(65_536, 4096, isOwed: true));
        Assert.Equal(128, _budget.Take(100, 4096, isOwed: false));
        Assert.Equal(0, _budget.Streamed);
    }

    [Fact]
    public void Nobody_watching_keeps_everything()
    {
        for (var body = 0; body < 10_000; body++)
            Assert.Equal(65_536, _budget.Take(65_536, 4096, isOwed: false));
    }

    [Fact]
    public async Task Threads_never_keep_more_than_half_together_and_give_all_back()
    {
        _budget.Update(1 << 20);
        await Task.WhenAll(Enumerable.Range(0, 4).Select(worker => Task.Run(() =>
        {
            var random = new Random(worker);
            var held = new Queue<int>();
            for (var round = 0; round < 20_000; round++)
            {
                held.Enqueue(_budget.Take(random.Next(1, 65_537), 4096, isOwed: false));
                // Eight small ones each are within the half that is theirs.
                if (held.Count > 8)
                    _budget.Return(held.Dequeue());
                Assert.InRange(_budget.Used, 0, (1 << 20) + (4 * 65_536));
            }
            foreach (var size in held)
                _budget.Return(size);
        }, TestContext.Current.CancellationToken)));
        Assert.Equal(0, _budget.Used);
    }
}
