namespace Malha.IntegrationTests.Guard;

internal static class ReplyFixtureExtensions
{
    public static async Task CheckAsync(this GuardFixture fixture, ReplyCase reply)
    {
        var wrong = await new ReplyJudge(fixture.Proxy, fixture.Origin, TestContext.Current.CancellationToken).JudgeAsync(reply);
        fixture.Tally.Count(reply.Kind, wrong == null);
        Assert.True(wrong == null, wrong);
    }
}
