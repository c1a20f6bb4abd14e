using Microsoft.Extensions.Time.Testing;

namespace Malha.IntegrationTests.Traffic.Support;

/// <summary>Waits for what a test cannot be told: looks again and again, and says what did not come.</summary>
internal static class Eventually
{
    private static readonly TimeSpan Look = TimeSpan.FromMilliseconds(5);

    public static async Task HoldsAsync(Func<bool> condition, string what)
    {
        using var timer = new PeriodicTimer(Look);
        using var deadline = CancellationTokenSource.CreateLinkedTokenSource(TestContext.Current.CancellationToken);
        deadline.CancelAfter(Peer.Patience);
        try
        {
            while (!condition())
                await timer.WaitForNextTickAsync(deadline.Token);
        }
        catch (OperationCanceledException)
        {
            Assert.Fail($"waited {Peer.Patience.TotalSeconds} s: {what}");
        }
    }

    /// <summary>Waits until a number that grows has not grown for a while: somebody has come to a halt.</summary>
    public static async Task<long> SettlesAsync(Func<long> number, int looks = 60)
    {
        using var timer = new PeriodicTimer(Look);
        var (last, same) = (number(), 0);
        while (same < looks)
        {
            await timer.WaitForNextTickAsync(TestContext.Current.CancellationToken);
            same = number() == last ? same + 1 : 0;
            last = number();
        }
        return last;
    }

    /// <summary>Lets virtual time pass in steps until the task has ended; how much passed.</summary>
    public static async Task<TimeSpan> PassUntilAsync(this FakeTimeProvider time, Task task, TimeSpan step)
    {
        using var timer = new PeriodicTimer(TimeSpan.FromMilliseconds(2));
        var started = time.GetUtcNow();
        var until = TimeProvider.System.GetTimestamp();
        while (!task.IsCompleted)
        {
            Assert.True(TimeProvider.System.GetElapsedTime(until) < Peer.Patience, $"{time.GetUtcNow() - started} passed and nothing happened");
            time.Advance(step);
            await timer.WaitForNextTickAsync(TestContext.Current.CancellationToken);
        }
        return time.GetUtcNow() - started;
    }
}
