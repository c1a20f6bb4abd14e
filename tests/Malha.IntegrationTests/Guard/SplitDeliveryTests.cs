namespace Malha.IntegrationTests.Guard;

/// <summary>TCP has no messages: however the bytes are cut, the verdict is the same.</summary>
public sealed class SplitDeliveryTests(GuardFixture fixture) : IClassFixture<GuardFixture>
{
    // Above it there are sizes' traps: many thousand packets that tell nothing new.
    private const int LongestInBytes = 2500;

    private static readonly Dictionary<string, GuardCase> Cases =
        KnownTraps.ByName.Concat(LlhttpRequestCases.ByName).Where(entry => entry.Value.Bytes.Length <= LongestInBytes).ToDictionary();

    public static TheoryData<string> All => [.. Cases.Keys];

    public static TheoryData<string> Good => [.. Cases.Where(entry => entry.Value.Kind == "good").Select(entry => entry.Key)];

    [Theory]
    [MemberData(nameof(All))]
    public async Task Byte_by_byte_it_is_judged_as_whole(string name)
    {
        var wrong = await fixture.JudgeAsync(Cases[name], Delivery.ByteByByte);
        Assert.True(wrong == null, wrong);
    }

    [Theory]
    [MemberData(nameof(Good))]
    public async Task Cut_anywhere_it_is_forwarded_as_whole(string name)
    {
        var wrong = await new SplitJudge(fixture.Proxy, fixture.Origin, TestContext.Current.CancellationToken).JudgeAsync(Cases[name]);
        Assert.True(wrong == null, wrong);
    }
}
