using System.Net;
using System.Net.Http.Headers;
using System.Security.Cryptography;
using Malha.IntegrationTests.Http2.Support;
using Malha.IntegrationTests.Traffic.Support;

namespace Malha.IntegrationTests.Http2;

/// <summary>Every kind of body, answer and end, with either HTTP in front and either behind: what one says arrives, whatever the other side speaks.</summary>
public sealed class MatrixTests : IAsyncLifetime
{
    private TwoProtocolOrigin _origin = null!;

    public static TheoryData<int, int> Sides => new() { { 1, 1 }, { 1, 2 }, { 2, 1 }, { 2, 2 } };

    public async ValueTask InitializeAsync() => _origin = await TwoProtocolOrigin.StartAsync();

    public ValueTask DisposeAsync() => _origin.DisposeAsync();

    [Theory]
    [MemberData(nameof(Sides))]
    public async Task Bodies_and_heads_arrive_as_they_were_said(int front, int behind)
    {
        await using var gateway = Start(behind);
        using var client = Client();
        (string Method, string Path, HttpContent? Body, int Status, string Answer, string? Framing)[] rows =
        [
            ("GET", "/length", null, 200, "hello", "none,"),
            ("GET", "/open", null, 200, "first,second", "none,"),
            ("GET", "/trailers", null, 200, "body", "none,"),
            ("HEAD", "/length", null, 200, "", "none,"),
            ("HEAD", "/open", null, 200, "", "none,"),
            ("GET", "/nothing", null, 204, "", "none,"),
            ("GET", "/same", null, 304, "", "none,"),
            ("GET", "/empty", null, 200, "", "none,"),
            ("DELETE", "/empty", null, 200, "", "none,"),
            ("POST", "/length", new ByteArrayContent([]), 200, "hello", "0,"),
            ("POST", "/length", new ByteArrayContent(BodyPattern.Bytes(1, 10)), 200, "hello", "10,"),
            ("PUT", "/open", new ByteArrayContent(BodyPattern.Bytes(2, 300_000)), 200, "first,second", "300000,"),
            ("POST", "/length", new OpenContent(BodyPattern.Bytes(3, 10)), 200, "hello", null),
            ("PATCH", "/trailers", new OpenContent(BodyPattern.Bytes(4, 300_000)), 200, "body", null),
            ("POST", "/open", new OpenContent([]), 200, "first,second", "any"),
        ];
        foreach (var row in rows)
        {
            var name = $"HTTP/{front} in front of HTTP/{behind}: {row.Method} {row.Path} with {row.Body?.GetType().Name ?? "nothing"}";
            using var request = Ask(gateway, front, row.Method, row.Path, row.Body);
            using var answer = await client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, TestContext.Current.CancellationToken);
            try
            {
                await answer.Content.LoadIntoBufferAsync(TestContext.Current.CancellationToken);
            }
            catch (HttpRequestException exception)
            {
                Assert.Fail($"{name}: {exception.InnerException?.Message}; {string.Join('\n', gateway.Host.Telemetry.Decisions.Latest(long.MaxValue, 3).Select(one => one.Refusal))}");
            }
            Assert.True((int)answer.StatusCode == row.Status, $"{name}: {answer.StatusCode}\n{await answer.Content.ReadAsStringAsync(TestContext.Current.CancellationToken)}");
            Assert.Equal(front, answer.Version.Major);
            Assert.Equal(row.Answer, await answer.Content.ReadAsStringAsync(TestContext.Current.CancellationToken));
            Assert.Equal($"HTTP/{(behind == 1 ? "1.1" : "2")}", answer.Headers.GetValues("X-Protocol").Single());
            // What has no announced length is chunked for HTTP/1.1, and has no name in HTTP/2.
            // Nothing at all may be announced as such, or not.
            Assert.True(row.Framing == "any" || (row.Framing ?? (behind == 1 ? "none,chunked" : "none,")) == answer.Headers.GetValues("X-Framing").Single(), $"{name}: {answer.Headers.GetValues("X-Framing").Single()}");
            var sent = row.Body is null ? [] : await row.Body.ReadAsByteArrayAsync(TestContext.Current.CancellationToken);
            Assert.Equal(Convert.ToHexStringLower(SHA256.HashData(sent)), answer.Headers.GetValues("X-Hash").Single());
            Assert.Equal($"{(behind == 1 ? "1.1" : "2.0")} malha", answer.Headers.Via.ToString());
            Assert.Equal(row.Path == "/length" ? 5 : null, row.Path == "/length" ? answer.Content.Headers.ContentLength : null);
            Assert.Equal(row.Path == "/same" ? "\"v1\"" : null, answer.Headers.ETag?.Tag);
            if (row.Path == "/trailers" && behind == 2)
                Assert.Equal("42", Assert.Single(answer.TrailingHeaders.GetValues("X-Sum")));
        }
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public async Task Trailers_of_an_HTTP_1_service_reach_both(int front)
    {
        await using var origin = ScriptedOrigin.Answering(_ => "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\nX-Sum: 42\r\n\r\n");
        await using var gateway = TestGateway.Before(origin);
        using var client = Client();
        using var request = Ask(gateway, front, "GET", "/", null);
        using var answer = await client.SendAsync(request, TestContext.Current.CancellationToken);
        Assert.Equal("body", await answer.Content.ReadAsStringAsync(TestContext.Current.CancellationToken));
        Assert.Equal("42", Assert.Single(answer.TrailingHeaders.GetValues("X-Sum")));
    }

    [Theory]
    [MemberData(nameof(Sides))]
    public async Task Answer_that_comes_before_the_body_is_whole_gets_through(int front, int behind)
    {
        await using var gateway = Start(behind);
        using var client = Client();
        var body = new EndlessContent();
        using var request = Ask(gateway, front, "POST", "/early", body);
        var asking = client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, TestContext.Current.CancellationToken);
        // This client reads no answer of HTTP/1.1 before it has sent everything.
        await Eventually.HoldsAsync(() => _origin.Came.Contains("/early"), "the request reaches the service");
        if (front == 1)
            body.Stop();
        using var answer = await asking;
        Assert.Equal(HttpStatusCode.Unauthorized, answer.StatusCode);
        Assert.Equal("no", await answer.Content.ReadAsStringAsync(TestContext.Current.CancellationToken));
        body.Stop();
    }

    [Theory]
    [MemberData(nameof(Sides))]
    public async Task Cut_answer_never_looks_complete(int front, int behind)
    {
        await using var gateway = Start(behind);
        using var client = Client();
        using var request = Ask(gateway, front, "GET", "/cut", null);
        using var answer = await client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, TestContext.Current.CancellationToken);
        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
        _origin.Cut.SetResult();
        await Assert.ThrowsAnyAsync<Exception>(() => answer.Content.ReadAsStringAsync(TestContext.Current.CancellationToken));
    }

    [Theory]
    [MemberData(nameof(Sides))]
    public async Task Server_that_breaks_off_before_its_answer_is_a_bad_gateway(int front, int behind)
    {
        await using var gateway = Start(behind);
        using var client = Client();
        using var request = Ask(gateway, front, "POST", "/refuse", new ByteArrayContent([1]));
        using var answer = await client.SendAsync(request, TestContext.Current.CancellationToken);
        var problem = await answer.Content.ReadAsStringAsync(TestContext.Current.CancellationToken);
        Assert.Equal(HttpStatusCode.BadGateway, answer.StatusCode);
        Assert.Contains("urn:malha:problem:connection-lost", problem, StringComparison.Ordinal);
        Assert.Equal("application/problem+json", answer.Content.Headers.ContentType!.MediaType);
    }

    [Theory]
    [MemberData(nameof(Sides))]
    public async Task Client_that_gives_up_ends_the_work_behind(int front, int behind)
    {
        await using var gateway = Start(behind);
        using var client = Client();
        using var patience = new CancellationTokenSource();
        using var request = Ask(gateway, front, "GET", "/slow", null);
        var asking = client.SendAsync(request, patience.Token);
        await Eventually.HoldsAsync(() => _origin.Came.Contains("/slow"), "the request reaches the service");
        await patience.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => asking);
        await Eventually.HoldsAsync(() => _origin.Aborted.Contains("/slow"), "the service is told that nobody waits");
        await Eventually.HoldsAsync(() => gateway.Service().Endpoints[0].InFlight == 0, "nothing is under way");
    }

    [Theory]
    [MemberData(nameof(Sides))]
    public async Task Client_that_breaks_its_body_off_breaks_the_request_behind(int front, int behind)
    {
        await using var gateway = Start(behind);
        using var client = Client();
        using var patience = new CancellationTokenSource();
        var body = new EndlessContent();
        using var request = Ask(gateway, front, "POST", "/open", body);
        var asking = client.SendAsync(request, patience.Token);
        await Eventually.HoldsAsync(() => _origin.Came.Contains("/open"), "the request reaches the service");
        await patience.CancelAsync();
        body.Stop();
        await Assert.ThrowsAnyAsync<Exception>(() => asking);
        await Eventually.HoldsAsync(() => gateway.Service().Endpoints[0].InFlight == 0, "nothing is under way");
    }

    private TestGateway Start(int behind) =>
        TestGateway.Start(TestGateway.File(_origin.Url(behind), $"protocol: http{behind}, maxBody: off"));

    private static HttpClient Client() => new(new SocketsHttpHandler { UseProxy = false }) { Timeout = Peer.Patience };

    private static HttpRequestMessage Ask(TestGateway gateway, int front, string method, string path, HttpContent? body)
    {
        var request = new HttpRequestMessage(new HttpMethod(method), $"http://127.0.0.1:{gateway.Port}{path}")
        {
            Version = front == 1 ? HttpVersion.Version11 : HttpVersion.Version20,
            VersionPolicy = HttpVersionPolicy.RequestVersionExact,
            Content = body,
        };
        request.Headers.TE.Add(new TransferCodingWithQualityHeaderValue("trailers"));
        return request;
    }

    /// <summary>A body whose length nobody is told.</summary>
    private sealed class OpenContent(byte[] bytes) : HttpContent
    {
        protected override async Task SerializeToStreamAsync(Stream stream, TransportContext? context) => await stream.WriteAsync(bytes);

        protected override bool TryComputeLength(out long length)
        {
            length = 0;
            return false;
        }
    }

    /// <summary>A body that does not end before it is told to.</summary>
    private sealed class EndlessContent : HttpContent
    {
        private readonly TaskCompletionSource _stopped = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public void Stop() => _stopped.TrySetResult();

        protected override async Task SerializeToStreamAsync(Stream stream, TransportContext? context)
        {
            await stream.WriteAsync(new byte[100_000]);
            await stream.FlushAsync();
            await _stopped.Task;
        }

        protected override bool TryComputeLength(out long length)
        {
            length = 0;
            return false;
        }
    }
}
