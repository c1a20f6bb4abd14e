using System.Diagnostics;
using System.Globalization;
using Malha.IntegrationTests.Harness;

namespace Malha.IntegrationTests.Admin;

public sealed class MetricsTests
{
    [Fact]
    public async Task Promtool_is_content_with_all_metrics()
    {
        Assert.SkipUnless(File.Exists("/usr/bin/promtool"), "promtool is not installed (apt-get install prometheus)");
        await using var origin = RecordingOrigin.Start();
        await using var gateway = await StartAsync(origin);
        foreach (var target in (string[])["/", "/", "/gone", "/missing?x=1"])
            (await gateway.SendAsync(target)).Dispose();
        (await gateway.SendAsync("/", HttpMethod.Put)).Dispose();

        var text = await ScrapeAsync(gateway);
        using var promtool = Process.Start(new ProcessStartInfo("/usr/bin/promtool", ["check", "metrics"]) { RedirectStandardInput = true, RedirectStandardError = true, RedirectStandardOutput = true })!;
        await promtool.StandardInput.WriteAsync(text);
        promtool.StandardInput.Close();
        var complaints = await promtool.StandardError.ReadToEndAsync(TestContext.Current.CancellationToken);
        await promtool.WaitForExitAsync(TestContext.Current.CancellationToken);
        Assert.Equal("", complaints);
        Assert.Equal(0, promtool.ExitCode);
    }

    [Fact]
    public async Task The_figures_are_those_of_the_traffic()
    {
        await using var origin = RecordingOrigin.Start();
        await using var gateway = await StartAsync(origin);
        for (var count = 0; count < 5; count++)
            (await gateway.SendAsync("/")).Dispose();
        (await gateway.SendAsync("/gone")).Dispose();
        using (var posted = await gateway.Client.PostAsync($"http://127.0.0.1:{gateway.Port}/", new ByteArrayContent(new byte[100]), TestContext.Current.CancellationToken))
            Assert.Equal(200, (int)posted.StatusCode);
        await gateway.LogLineAsync(line => line.TryGetProperty("method", out var method) && method.GetString() == "POST");

        var metrics = Parse(await ScrapeAsync(gateway));
        const string Web = "http_route=\"/**\",malha_route=\"routes[1]\",malha_service=\"web\"";
        Assert.Equal(5, metrics[$"http_server_request_duration_seconds_count{{{Web},http_request_method=\"GET\",http_response_status_code=\"200\",network_protocol_version=\"1.1\",url_scheme=\"http\"}}"]);
        Assert.Equal(1, metrics[$"http_server_request_duration_seconds_count{{{Web},http_request_method=\"POST\",http_response_status_code=\"200\",network_protocol_version=\"1.1\",url_scheme=\"http\"}}"]);
        Assert.Equal(100, metrics[$"malha_request_body_bytes_total{{{Web}}}"]);
        Assert.Equal(1, metrics["malha_refusals_total{http_route=\"/gone\",malha_route=\"routes[0]\",malha_service=\"gone\",kind=\"connect-failed\"}"]);
        Assert.Equal(0, metrics["http_server_active_requests{http_request_method=\"GET\",url_scheme=\"http\"}"]);
        Assert.Equal(1, metrics["malha_listener_accepted_total{listener=\"edge\"}"]);
        Assert.Equal(1, metrics["malha_listener_connections{listener=\"edge\"}"]);
        var endpoint = $"malha_service=\"web\",server_address=\"127.0.0.1\",server_port=\"{origin.Port.ToString(CultureInfo.InvariantCulture)}\"";
        Assert.Equal(5, metrics[$"http_client_request_duration_seconds_count{{{endpoint},http_request_method=\"GET\",http_response_status_code=\"200\",network_protocol_version=\"1.1\",url_scheme=\"http\"}}"]);
        Assert.Equal(1, metrics[$"malha_endpoint_connects_total{{{endpoint},outcome=\"connected\"}}"]);
        Assert.Equal(1, metrics[$"http_client_open_connections{{{endpoint},http_connection_state=\"idle\"}}"]);
        Assert.Equal((1, 0), (metrics[$"malha_breaker_state{{{endpoint},state=\"closed\"}}"], metrics[$"malha_breaker_state{{{endpoint},state=\"open\"}}"]));
        Assert.Equal((1, 0), (metrics[$"malha_breaker_mode{{{endpoint},mode=\"auto\"}}"], metrics[$"malha_endpoint_draining{{{endpoint}}}"]));
        Assert.Equal((0, 0), (metrics["malha_admission_in_flight{malha_service=\"web\"}"], metrics["malha_admission_refusals_total{malha_service=\"web\",verdict=\"over-capacity\"}"]));
        Assert.Equal(1, metrics["malha_config_version"]);
        Assert.True(metrics["process_cpu_seconds_total"] > 0);
        Assert.True(metrics["process_resident_memory_bytes"] > 10e6);
        Assert.True(metrics["process_open_fds"] > 10);
    }

    [Fact]
    public async Task Reloads_are_counted_and_routes_keep_their_figures()
    {
        await using var gateway = await RunningGateway.StartAsync("routes: [ { name: all, match: { path: /** }, respond: { status: 204 } } ]\n");
        (await gateway.SendAsync("/")).Dispose();
        await gateway.AskAsync("/api/v1/config/reload", HttpMethod.Post, gateway.Token);
        (await gateway.SendAsync("/")).Dispose();
        await File.AppendAllTextAsync(gateway.File, "nonsense: 1\n", TestContext.Current.CancellationToken);
        await gateway.AskAsync("/api/v1/config/reload", HttpMethod.Post, gateway.Token);

        var metrics = Parse(await ScrapeAsync(gateway));
        Assert.Equal(2, metrics["http_server_request_duration_seconds_count{http_route=\"/**\",malha_route=\"all\",http_request_method=\"GET\",http_response_status_code=\"204\",network_protocol_version=\"1.1\",url_scheme=\"http\"}"]);
        Assert.Equal(2, metrics["malha_config_version"]);
        Assert.Equal(0, metrics["malha_config_last_reload_successful"]);
        Assert.True(metrics["malha_config_reloads_total{result=\"refused\"}"] >= 1);
        Assert.True(metrics["malha_config_reloads_total{result=\"applied\"}"] >= 1);
    }

    internal static Dictionary<string, double> Parse(string text) => text.Split('\n')
        .Where(line => line.Length > 0 && line[0] != '#')
        .ToDictionary(line => line[..line.LastIndexOf(' ')], line => double.Parse(line.AsSpan(line.LastIndexOf(' ') + 1), CultureInfo.InvariantCulture));

    private static async Task<string> ScrapeAsync(RunningGateway gateway)
    {
        using var response = await gateway.Client.GetAsync(gateway.Admin + "/metrics", TestContext.Current.CancellationToken);
        Assert.Equal("text/plain; version=0.0.4; charset=utf-8", response.Content.Headers.ContentType!.ToString());
        return await response.Content.ReadAsStringAsync(TestContext.Current.CancellationToken);
    }

    private static Task<RunningGateway> StartAsync(RecordingOrigin origin) => RunningGateway.StartAsync(
        $"services: {{ web: {{ endpoints: [ {origin.Url.ToString().TrimEnd('/')} ], breaker: {{}}, capacity: 1000/s }}, gone: {{ endpoints: [ http://127.0.0.1:1 ] }} }}\n"
        + "routes: [ { match: { path: /gone }, service: gone }, { match: { path: /** , methods: [ GET, POST ] }, service: web } ]\n");
}
