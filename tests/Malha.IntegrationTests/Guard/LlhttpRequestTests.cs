using Malha.IntegrationTests.Harness;

namespace Malha.IntegrationTests.Guard;

/// <summary>Node's parser's own test suite through a listener.</summary>
[TestMethodOrderer<SummaryLast>]
public sealed class LlhttpRequestTests(GuardFixture fixture) : IClassFixture<GuardFixture>
{
    public static TheoryData<string> Cases => [.. LlhttpRequestCases.ByName.Keys];

    [Theory(SkipTestWithoutData = true)]
    [MemberData(nameof(Cases))]
    public Task Request_is_judged_right(string name) => fixture.CheckAsync(LlhttpRequestCases.ByName[name]);

    [Fact]
    public void Verdicts_are_summed_up()
    {
        Assert.SkipWhen(Corpora.Folder("llhttp") == null, Corpora.Absent);
        TestContext.Current.TestOutputHelper?.WriteLine(fixture.Tally.Summary("llhttp requests", fixture.Proxy.Name));
        Assert.Equal(fixture.Tally.All, fixture.Tally.Right);
    }
}
