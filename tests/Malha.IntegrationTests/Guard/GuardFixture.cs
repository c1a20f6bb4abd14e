using Malha.IntegrationTests.Harness;

namespace Malha.IntegrationTests.Guard;

/// <summary>One proxy in front of one recording origin for a whole test class, and the count of its verdicts.</summary>
public sealed class GuardFixture : IAsyncLifetime
{
    internal RecordingOrigin Origin { get; } = RecordingOrigin.Start();

    internal ProxyUnderTest Proxy { get; private set; } = null!;

    internal VerdictTally Tally { get; } = new();

    public async ValueTask InitializeAsync() => Proxy = await ProxyUnderTest.StartAsync(Origin.Url);

    public async ValueTask DisposeAsync()
    {
        if (Proxy != null)
            await Proxy.DisposeAsync();
        await Origin.DisposeAsync();
    }

    internal async Task<string?> JudgeAsync(GuardCase guardCase, Delivery delivery = Delivery.Whole) =>
        await new GuardJudge(Proxy, Origin, TestContext.Current.CancellationToken).JudgeAsync(guardCase, delivery);

    internal async Task CheckAsync(GuardCase guardCase)
    {
        var wrong = await JudgeAsync(guardCase);
        Tally.Count(guardCase.Kind, wrong == null);
        Assert.True(wrong == null, wrong);
    }
}
