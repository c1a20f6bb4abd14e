namespace Malha.IntegrationTests.Guard;

/// <summary>Every trap that is known to have fooled a server or a proxy, one row each, with the good requests that must not be caught in it.</summary>
[TestMethodOrderer<SummaryLast>]
public sealed class KnownTrapTests(GuardFixture fixture) : IClassFixture<GuardFixture>
{
    public static TheoryData<string> Traps => [.. KnownTraps.ByName.Keys];

    [Theory]
    [MemberData(nameof(Traps))]
    public Task Trap_is_judged_right(string name) => fixture.CheckAsync(KnownTraps.ByName[name]);

    [Fact]
    public void Verdicts_are_summed_up()
    {
        TestContext.Current.TestOutputHelper?.WriteLine(fixture.Tally.Summary("known traps", fixture.Proxy.Name));
        Assert.Equal(fixture.Tally.All, fixture.Tally.Right);
    }
}
