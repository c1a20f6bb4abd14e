using System.Globalization;
using System.Net;

namespace Malha.Cli.Demo;

/// <summary>One demo from build to end: the services, the gateway as `malha run` in a process of its own, and the load.</summary>
internal sealed class DemoRun(DemoSite site, TimeProvider time, TextWriter output) : IAsyncDisposable
{
    private static readonly TimeSpan StartPatience = TimeSpan.FromSeconds(60);
    private static readonly TimeSpan PollEvery = TimeSpan.FromMilliseconds(50);

    private readonly List<DemoProcess> _services = [];
    private readonly HttpClient _client = new(new SocketsHttpHandler { UseProxy = false });
    private DemoProcess? _gateway;

    /// <summary>Starts everything and says what runs where. The result is why that was not possible, or null.</summary>
    public async Task<string?> StartAsync(CancellationToken cancellation)
    {
        if (await ShopBuild.RunAsync(site, output, cancellation) is { } problem)
            return problem;

        site.WriteConfiguration();
        var environment = new Dictionary<string, string> { ["SHOP_GATEWAY"] = site.Gateway };
        foreach (var (name, port) in site.ServicePorts)
        {
            string[] arguments = [name, "--port", port.ToString(CultureInfo.InvariantCulture), "--exit-with-stdin"];
            _services.Add(DemoProcess.Start(name, site.ShopProgram, arguments, environment, site.Log(name), time));
        }

        _gateway = DemoProcess.Start(
            "gateway", Environment.ProcessPath!, ["run", site.Configuration, "--exit-with-stdin"], new Dictionary<string, string>(), site.Log("gateway"), time);

        foreach (var service in _services)
        {
            if (await WaitUntilUpAsync(service, DemoSite.At(site.ServicePorts[service.Name]) + "/switch", cancellation) is { } missing)
                return missing;
        }

        foreach (var address in (string[])[site.Admin + "/readyz", site.Gateway + "/items"])
        {
            if (await WaitUntilUpAsync(_gateway, address, cancellation) is { } missing)
                return missing;
        }

        await output.WriteAsync(DemoText.WhatRunsWhere(site));
        return null;
    }

    /// <summary>Sends the load and watches until it is cancelled (null), or the gateway has ended (why).</summary>
    public async Task<string?> WatchAsync(CancellationToken cancellation)
    {
        using var ending = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        var load = new DemoLoad(site.Gateway, time, output).RunAsync(ending.Token);
        var watched = _services.Select(service => ReportEndAsync(service, ending.Token)).Append(load).ToArray();

        await Task.WhenAny(_gateway!.Exited, Task.Delay(Timeout.InfiniteTimeSpan, time, ending.Token));
        var gatewayEnded = !cancellation.IsCancellationRequested;
        await ending.CancelAsync();
        await Task.WhenAll(watched);
        return gatewayEnded ? Ended(_gateway) : null;
    }

    public async ValueTask DisposeAsync()
    {
        // The gateway first: it can still hand over what it has taken.
        if (_gateway is not null)
            await _gateway.DisposeAsync();
        await Task.WhenAll(_services.Select(service => service.DisposeAsync().AsTask()));
        _client.Dispose();
    }

    private async Task<string?> WaitUntilUpAsync(DemoProcess process, string address, CancellationToken cancellation)
    {
        var started = time.GetTimestamp();
        while (time.GetElapsedTime(started) < StartPatience)
        {
            if (process.Exited.IsCompleted)
                return Ended(process);
            try
            {
                using var answer = await _client.GetAsync(new Uri(address), cancellation);
                if (answer.StatusCode == HttpStatusCode.OK)
                    return null;
            }
            catch (HttpRequestException)
            {
                // Not listening yet.
            }

            await Task.Delay(PollEvery, time, cancellation);
        }

        return $"{process.Name} did not answer {address} within {StartPatience.TotalSeconds} s; its log is {site.Log(process.Name)}";
    }

    /// <summary>A service may be killed to see what happens, so its end does not end the demo.</summary>
    private async Task ReportEndAsync(DemoProcess service, CancellationToken cancellation)
    {
        await Task.WhenAny(service.Exited, Task.Delay(Timeout.InfiniteTimeSpan, time, cancellation));
        if (!cancellation.IsCancellationRequested)
            await output.WriteAsync(DemoText.ServiceEnded(site, service));
    }

    private string Ended(DemoProcess process)
    {
        var lines = File.ReadLines(site.Log(process.Name)).TakeLast(5);
        return $"{process.Name} ended with code {process.ExitCode}; the end of its log, {site.Log(process.Name)}:\n{string.Join('\n', lines)}";
    }
}
