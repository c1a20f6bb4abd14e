using Malha.IntegrationTests.Harness;

namespace Malha.IntegrationTests.Guard;

/// <summary>Node's parser's own test suite as the answers of an upstream.</summary>
[TestMethodOrderer<SummaryLast>]
public sealed class LlhttpResponseTests(GuardFixture fixture) : IClassFixture<GuardFixture>
{
    public static TheoryData<string> Cases => [.. LlhttpResponseCases.ByName.Keys];

    [Theory(SkipTestWithoutData = true)]
    [MemberData(nameof(Cases))]
    public Task Answer_is_judged_right(string name) => fixture.CheckAsync(LlhttpResponseCases.ByName[name]);

    [Fact]
    public void Verdicts_are_summed_up()
    {
        Assert.SkipWhen(Corpora.Folder("llhttp") == null, Corpora.Absent);
        TestContext.Current.TestOutputHelper?.WriteLine(fixture.Tally.Summary("llhttp responses", fixture.Proxy.Name));
        Assert.Equal(fixture.Tally.All, fixture.Tally.Right);
    }
}
