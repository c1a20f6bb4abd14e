using System.Net;
using Malha.IntegrationTests.Harness;
using Malha.IntegrationTests.Http2.Support;
using Malha.IntegrationTests.Traffic.Support;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;

namespace Malha.IntegrationTests.Traffic;

/// <summary>What a service gets instead of the path and host that the client has asked for.</summary>
public sealed class RewriteTests
{
    [Theory]
    [InlineData(1, 1)]
    [InlineData(1, 2)]
    [InlineData(2, 1)]
    [InlineData(2, 2)]
    public async Task Path_and_host_are_rewritten_whatever_the_two_sides_speak(int front, int behind)
    {
        await using var origin = await TwoProtocolOrigin.StartAsync(map: app => app.Map("/v2/{**rest}", context =>
            context.Response.WriteAsync($"{context.Features.Get<IHttpRequestFeature>()!.RawTarget} {context.Request.Host} {context.Request.Headers["X-Forwarded-Host"]}")));
        await using var gateway = TestGateway.Start($$"""
            listeners: { edge: { address: "127.0.0.1:0" } }
            services: { origin: { endpoints: [ "{{origin.Url(behind)}}" ]{{(behind == 2 ? ", protocol: http2" : "")}} } }
            routes:
              - { match: { path: /pay/** }, service: origin, rewrite: { prefix: /v2, host: pay.internal } }
              - { match: { path: "/users/{id}" }, service: origin, rewrite: { path: "/v2/{id}/x", host: "{endpoint}" } }
            """);
        using var client = new HttpClient(new SocketsHttpHandler { UseProxy = false });
        async Task<string> AskAsync(string target)
        {
            using var request = new HttpRequestMessage(HttpMethod.Get, new Uri($"http://127.0.0.1:{gateway.Port}{target}", new UriCreationOptions { DangerousDisablePathAndQueryCanonicalization = true }))
            {
                Version = front == 2 ? HttpVersion.Version20 : HttpVersion.Version11,
                VersionPolicy = HttpVersionPolicy.RequestVersionExact,
            };
            using var answer = await client.SendAsync(request, TestContext.Current.CancellationToken);
            return await answer.Content.ReadAsStringAsync(TestContext.Current.CancellationToken);
        }

        var edge = $"127.0.0.1:{gateway.Port}";
        Assert.Equal($"/v2/a%2Fb?q=%41&r pay.internal {edge}", await AskAsync("/pay/a%2Fb?q=%41&r"));
        Assert.Equal($"/v2/7/x {origin.Url(behind)["http://".Length..]} {edge}", await AskAsync("/users/7"));
    }

    [Fact]
    public async Task Request_whose_rewritten_path_is_no_target_is_refused_before_anything_goes_on()
    {
        var came = 0;
        await using var origin = ScriptedOrigin.Answering(request =>
        {
            came++;
            return ScriptedOrigin.Answer(ScriptedOrigin.Echo(request));
        });
        await using var gateway = TestGateway.Before(origin, route: "match: { path: /pay/** }, rewrite: { prefix: / }");
        var refused = await gateway.GetAsync("/pay//evil.example/x");
        Assert.Equal(400, refused.Status);
        Assert.Contains("routes[0].rewrite", WireText.Text(refused.Body), StringComparison.Ordinal);
        Assert.Equal(0, came);
        Assert.StartsWith("GET /x?a=1\n", WireText.Text((await gateway.GetAsync("/pay/x?a=1")).Body), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_retry_and_a_longer_path_than_the_clients_are_no_other_matter()
    {
        var came = 0;
        await using var origin = ScriptedOrigin.Answering(request =>
            ++came == 1 ? ScriptedOrigin.Answer("", status: 500) : ScriptedOrigin.Answer(ScriptedOrigin.Echo(request)));
        var longer = "/" + new string('x', 4000);
        await using var gateway = TestGateway.Before(origin, service: "retry: { attempts: 2 }", route: $"match: {{ path: /pay/** }}, rewrite: {{ prefix: {longer} }}");
        Assert.StartsWith($"GET {longer}/x\n", WireText.Text((await gateway.GetAsync("/pay/x")).Body), StringComparison.Ordinal);
        Assert.Equal(2, came);
    }

    [Fact]
    public async Task A_question_about_the_server_itself_has_no_path_to_rewrite()
    {
        await using var origin = ScriptedOrigin.Echoing();
        await using var gateway = TestGateway.Before(origin, route: "rewrite: { prefix: /v2 }");
        Assert.StartsWith("OPTIONS *\n", WireText.Text((await gateway.AskAsync("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n")).Body), StringComparison.Ordinal);
    }
}
