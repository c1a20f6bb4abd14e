using System.Globalization;
using System.Net;

namespace Malha.Cli.Demo;

/// <summary>One demo from build to end: the services, the gateway as `malha run` in a process of its own, and the load.</summary>
internal sealed class DemoRun(DemoSite site, TimeProvider time, TextWriter output) : IAsyncDisposable
{
    private static readonly TimeSpan StartPatience = TimeSpan.FromSeconds(60);
    private static readonly TimeSpan PollEvery = TimeSpan.FromMilliseconds(50);

    /// <summary>A service that ended by the Ctrl-C that we get too is not worth a word.</summary>
    private static readonly TimeSpan CtrlCReachesUs = TimeSpan.FromMilliseconds(300);

    private readonly List<DemoProcess> _services = [];
    private readonly HttpClient _client = new(new SocketsHttpHandler { UseProxy = false });
    private DemoSite _site = site;
    private DemoProcess? _gateway;

    /// <summary>Starts everything and says what runs where. The result is why that was not possible, or null.</summary>
    public async Task<string?> StartAsync(CancellationToken cancellation)
    {
        if (await ShopBuild.RunAsync(_site, output, cancellation) is { } problem)
            return problem;

        if (await StartServicesAsync(cancellation) is { } missing)
            return missing;

        _site.WriteConfiguration();
        _gateway = DemoProcess.Start(
            "gateway", Environment.ProcessPath!, ["run", _site.Configuration, "--exit-with-stdin"], new Dictionary<string, string>(), _site.Log("gateway"), time);
        foreach (var address in (string[])[_site.Gateway + "/items"])
        {
            if (await WaitUntilUpAsync(_gateway, address, cancellation) is { } silent)
                return silent;
        }

        await output.WriteAsync(DemoText.WhatRunsWhere(_site));
        return null;
    }

    /// <summary>Sends the load and watches until it is cancelled (null), or the gateway has ended (why).</summary>
    public async Task<string?> WatchAsync(CancellationToken cancellation)
    {
        using var ending = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        var load = new DemoLoad(_site.Gateway, time, output).RunAsync(ending.Token);
        var watched = _services.Select(service => ReportEndAsync(service, ending.Token)).Append(load).ToArray();

        await Task.WhenAny(_gateway!.Exited, Task.Delay(Timeout.InfiniteTimeSpan, time, ending.Token));
        // Ctrl-C reaches every process of the terminal; a gateway that was told to end by it has not failed.
        var gatewayFailed = !cancellation.IsCancellationRequested && _gateway.ExitCode != 0;
        await ending.CancelAsync();
        await Task.WhenAll(watched);
        return gatewayFailed ? Ended(_gateway) : null;
    }

    public async ValueTask DisposeAsync()
    {
        // The gateway first: it can still hand over what it has taken.
        if (_gateway is not null)
            await _gateway.DisposeAsync();
        await Task.WhenAll(_services.Select(service => service.DisposeAsync().AsTask()));
        _client.Dispose();
    }

    /// <summary>A service whose port is taken chooses another and says which: only then is it known what the gateway's file must hold.</summary>
    private async Task<string?> StartServicesAsync(CancellationToken cancellation)
    {
        var environment = new Dictionary<string, string> { ["SHOP_GATEWAY"] = _site.Gateway };
        foreach (var (name, port) in DemoSite.Services)
        {
            string[] arguments = [name, "--port", port.ToString(CultureInfo.InvariantCulture), "--or-any-port", "--exit-with-stdin"];
            _services.Add(DemoProcess.Start(name, _site.ShopProgram, arguments, environment, _site.Log(name), time));
        }

        var ports = new Dictionary<string, int>();
        foreach (var service in _services)
        {
            await Task.WhenAny(service.Port, Task.Delay(StartPatience, time, cancellation));
            cancellation.ThrowIfCancellationRequested();
            if (!service.Port.IsCompleted)
                return $"{service.Name} did not start within {StartPatience.TotalSeconds} s; its log is {_site.Log(service.Name)}";
            if (await service.Port is not { } port)
                return Ended(service);
            ports.Add(service.Name, port);
        }

        _site = _site with { ServicePorts = ports };
        return null;
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

        return $"{process.Name} did not answer {address} within {StartPatience.TotalSeconds} s; its log is {_site.Log(process.Name)}";
    }

    /// <summary>A service may be killed to see what happens, so its end does not end the demo.</summary>
    private async Task ReportEndAsync(DemoProcess service, CancellationToken cancellation)
    {
        try
        {
            await service.Exited.WaitAsync(cancellation);
            await Task.Delay(CtrlCReachesUs, time, cancellation);
            await output.WriteAsync(DemoText.ServiceEnded(_site, service));
        }
        catch (OperationCanceledException)
        {
            // The demo ends, and the service with it.
        }
    }

    private string Ended(DemoProcess process)
    {
        var lines = File.ReadLines(_site.Log(process.Name)).TakeLast(5);
        return $"{process.Name} ended with code {process.ExitCode}; the end of its log, {_site.Log(process.Name)}:\n{string.Join('\n', lines)}";
    }
}
