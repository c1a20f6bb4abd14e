using Malha.IntegrationTests.Harness;

namespace Malha.IntegrationTests.Guard;

/// <summary>Clients and upstreams that go away in the middle of things, beside other clients that must not notice.</summary>
public sealed class NeighbourTests(GuardFixture fixture) : IClassFixture<GuardFixture>
{
    private const int Clients = 8;
    private const int RequestsPerClient = 500;

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData("behind the request")]
    [InlineData("inside the head")]
    [InlineData("inside the body")]
    [InlineData("behind the answer")]
    public async Task Client_that_leaves_harms_no_other(string place)
    {
        var leaving = Enumerable.Range(0, Clients / 2).Select(_ => LeaveAsync(place));
        var staying = Enumerable.Range(0, Clients / 2).Select(_ => StayAsync());
        var wrong = await Task.WhenAll(leaving.Concat(staying));
        Assert.True(fixture.Proxy.IsRunning, fixture.Proxy.Output);
        Assert.Empty(wrong.SelectMany(each => each));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Upstream_that_dies_inside_an_answer_harms_no_other(bool isReset)
    {
        var answer = "HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhello"u8.ToArray();
        fixture.Origin.Script("/dying", isReset ? OriginScript.SendThenReset(answer) : OriginScript.SendThenClose(answer));
        var dying = Enumerable.Range(0, Clients / 2).Select(_ => AskForDyingAsync());
        var staying = Enumerable.Range(0, Clients / 2).Select(_ => StayAsync());
        var wrong = await Task.WhenAll(dying.Concat(staying));
        Assert.True(fixture.Proxy.IsRunning, fixture.Proxy.Output);
        Assert.Empty(wrong.SelectMany(each => each));
    }

    private async Task<List<string>> AskForDyingAsync()
    {
        var wrong = new List<string>();
        for (var i = 0; i < RequestsPerClient; i++)
        {
            await using var client = await RawClient.ConnectAsync(fixture.Proxy.Port, Cancellation);
            await client.SendAsync("GET /dying HTTP/1.1\r\nHost: dying.example\r\n\r\n"u8.ToArray());
            var read = await client.ReadAnswerAsync("GET");
            if (read.State != AnswerState.Truncated && read.Answer?.Status != 502)
                wrong.Add($"cut answer {i}: {read.Show()}");
        }
        return wrong;
    }

    private async Task<List<string>> LeaveAsync(string place)
    {
        var canary = Canary.Next();
        var request = place == "inside the body"
            ? WireText.Bytes("POST /leaving HTTP/1.1\r\nHost: leaving.example\r\nContent-Length: 50\r\n\r\nhello")
            : canary.Bytes;
        for (var i = 0; i < RequestsPerClient; i++)
        {
            await using var client = await RawClient.ConnectAsync(fixture.Proxy.Port, Cancellation);
            await client.SendAsync(place == "inside the head" ? request.AsMemory(..^4) : request);
            if (place == "behind the answer")
                await client.ReadAnswerAsync("GET");
            else if (i % 2 == 0)
                client.Reset();
        }
        return [];
    }

    private async Task<List<string>> StayAsync()
    {
        var wrong = new List<string>();
        for (var i = 0; i < RequestsPerClient; i++)
        {
            if (await Canary.Next().SingOnNewConnectionAsync(fixture.Proxy.Port, Cancellation) is { } one)
                wrong.Add($"request {i}: {one}");
        }
        return wrong;
    }
}
