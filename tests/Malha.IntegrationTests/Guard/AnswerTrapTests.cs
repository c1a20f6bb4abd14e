using Malha.IntegrationTests.Guard.Traps;

namespace Malha.IntegrationTests.Guard;

/// <summary>Answers that an upstream should not have sent: 502, its connection dropped, nobody else harmed; and the good ones beside them.</summary>
[TestMethodOrderer<SummaryLast>]
public sealed class AnswerTrapTests(GuardFixture fixture) : IClassFixture<GuardFixture>
{
    public static TheoryData<string> Traps => [.. AnswerTraps.ByName.Keys];

    [Theory]
    [MemberData(nameof(Traps))]
    public Task Answer_is_judged_right(string name) => fixture.CheckAsync(AnswerTraps.ByName[name]);

    [Fact]
    public void Verdicts_are_summed_up()
    {
        TestContext.Current.TestOutputHelper?.WriteLine(fixture.Tally.Summary("answer traps", fixture.Proxy.Name));
        Assert.Equal(fixture.Tally.All, fixture.Tally.Right);
    }
}
