using Malha.Resilience;

namespace Malha.Tests.Resilience;

public sealed class BulkheadTests
{
    [Fact]
    public void Connections_and_pending_have_their_own_bounds()
    {
        var bulkhead = new Bulkhead(new BulkheadOptions { Connections = 2, Pending = 1 });
        Assert.True(bulkhead.TryConnect() && bulkhead.TryConnect());
        Assert.False(bulkhead.TryConnect());
        Assert.True(bulkhead.TryWait());
        Assert.False(bulkhead.TryWait());
        Assert.False(bulkhead.TryConnectWaiting());
        bulkhead.Disconnect();
        Assert.True(bulkhead.TryConnectWaiting());
        Assert.Equal((2, 0), (bulkhead.Connections, bulkhead.Pending));
    }

    [Fact]
    public void Fewer_places_after_a_reload_take_nothing_away()
    {
        var bulkhead = new Bulkhead(new BulkheadOptions { Connections = 2, Pending = 0 });
        Assert.True(bulkhead.TryConnect() && bulkhead.TryConnect());
        bulkhead.Update(new BulkheadOptions { Connections = 1, Pending = 0 });
        bulkhead.Disconnect();
        Assert.False(bulkhead.TryConnect());
        Assert.Equal(1, bulkhead.Connections);
        Assert.Equal(2, new BulkheadOptions { Connections = 0, Pending = -1 }.Validate().Count);
    }

    [Fact]
    public async Task Many_threads_never_exceed_the_bounds()
    {
        var bulkhead = new Bulkhead(new BulkheadOptions { Connections = 3, Pending = 2 });
        await Task.WhenAll(Enumerable.Range(0, 8).Select(_ => Task.Run(
            () =>
            {
                for (var i = 0; i < 5_000; i++)
                {
                    if (!bulkhead.TryWait())
                        continue;
                    Assert.True(bulkhead.Pending <= 2);
                    if (bulkhead.TryConnectWaiting())
                        bulkhead.Disconnect();
                    else
                        bulkhead.LeaveWait();
                    Assert.True(bulkhead.Connections <= 3);
                }
            },
            TestContext.Current.CancellationToken)));
        Assert.Equal((0, 0), (bulkhead.Connections, bulkhead.Pending));
    }
}
