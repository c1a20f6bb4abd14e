using System.CommandLine;
using System.Runtime.InteropServices;
using Malha.Configuration;
using Malha.ControlPlane.Api;
using Malha.Delivery;
using Malha.Proxy;
using Malha.Proxy.Telemetry;
using Malha.Proxy.Telemetry.Logging;

namespace Malha.Cli.Commands;

/// <summary><c>malha run</c>: the gateway, from a file or before one URL, until SIGTERM or Ctrl-C.</summary>
internal static class RunCommand
{
    public static Command Build()
    {
        var file = FileArgument.Build();
        var upstream = new Option<string?>("--upstream") { Description = "Run without a file, before this URL", HelpName = "URL" };
        var listen = new Option<string?>("--listen") { Description = "With --upstream: where to listen (127.0.0.1:8080)", HelpName = "ADDRESS:PORT" };
        var exitWithStdin = new Option<bool>("--exit-with-stdin") { Description = "End when standard input does: for a program that starts this one" };
        var command = new Command("run", "Run the gateway: from a file, or before one URL") { file, upstream, listen, exitWithStdin };
        command.Validators.Add(result =>
        {
            if (result.GetValue(upstream) is null ? result.GetValue(listen) is not null : result.GetValue(file) is not null)
                result.AddError("run takes a FILE, or --upstream URL [--listen ADDRESS:PORT]");
        });
        command.SetAction((parsed, _) => parsed.GetValue(upstream) is { } url
            ? RunUpstreamAsync(url, parsed.GetValue(listen), parsed.GetValue(exitWithStdin))
            : RunFileAsync(parsed.GetValue(file), parsed.GetValue(exitWithStdin)));
        return command;
    }

    private static async Task<int> RunUpstreamAsync(string url, string? listen, bool exitWithStdin)
    {
        ListenAddress? address = null;
        if (listen is not null && !ListenAddress.TryParse(listen, out address))
            return Fail(Usage.WrongUsage, $"--listen {listen}: not an address such as 127.0.0.1:8080 or [::1]:8080");
        if (!Uri.TryCreate(url, UriKind.Absolute, out var upstream))
            return Fail(Usage.WrongUsage, $"--upstream {url}: not a URL such as http://127.0.0.1:9000");

        return EndpointConfig.WhyNot(upstream) is { } problem
            ? Fail(Usage.WrongUsage, $"--upstream {url}: {problem}")
            : await RunAsync(MalhaConfig.ForUpstream(upstream, address), file: null, exitWithStdin);
    }

    private static async Task<int> RunFileAsync(string? given, bool exitWithStdin)
    {
        var file = given ?? FileArgument.Default;
        var result = MalhaConfigReader.ReadFile(file);
        if (result.Config is not null)
            return await RunAsync(result.Config, file, exitWithStdin);

        foreach (var error in result.Errors)
            Console.Error.WriteLine(error);
        if (given is null && result.IsUnreadable)
            Console.Error.WriteLine("malha: run takes a FILE, or --upstream URL for one service without a file");
        return result.IsUnreadable ? Usage.CannotReach : Usage.Bad;
    }

    private static async Task<int> RunAsync(MalhaConfig config, string? file, bool exitWithStdin)
    {
        // Before anybody is told that it listens: whoever waits for that may stop it at once.
        using var stop = new StopSignal();
        using var output = new LogOutput(Console.OpenStandardOutput(), isTerminal: !Console.IsOutputRedirected);
        DeliveryRole? delivery = null;
        // The lane before the first request: one that came earlier would not be deferred.
        using var host = GatewayHost.Start(config, TimeProvider.System, out var problem, new GatewayTelemetry(TimeProvider.System, output), gateway =>
        {
            delivery = DeliveryRole.Start(gateway, out var why);
            return why;
        });
        if (host is null)
            return Fail(Usage.CannotReach, problem!);

        using var watchdog = new EngineWatchdog(host.Plane.Wheel, TimeProvider.System, host.Telemetry, Environment.ProcessorCount);
        using var watcher = file is null ? null : new ConfigFileWatcher(file, config, host, TimeProvider.System);
        await using var lane = delivery;
        await using var admin = AdminRole.Start(host, watcher, TimeProvider.System, out problem, delivery);
        if (admin is null)
            return Fail(Usage.CannotReach, problem!);
        using var manager = ServiceManager.Find(Environment.GetEnvironmentVariable, TimeProvider.System);
        using var hangUp = PosixSignalRegistration.Create(PosixSignal.SIGHUP, context =>
        {
            context.Cancel = true;
            _ = ReloadAsync(watcher, manager);
        });
        manager?.Ready();
        manager?.Watch(() => host.Plane.Wheel.LagMs <= DataPlane.MaxWheelLagMs);
        await Task.WhenAny(stop.Given, exitWithStdin ? Console.OpenStandardInput().CopyToAsync(Stream.Null) : Task.Delay(Timeout.Infinite));
        stop.Dispose();
        manager?.Stopping();
        // Requests are still accepted for later until the last of them is answered; deliveries begin no more.
        await Task.WhenAll(host.DrainAsync(GatewayHost.DrainPatience), lane!.DrainAsync(GatewayHost.DrainPatience));
        return Usage.Done;
    }

    private static async Task ReloadAsync(ConfigFileWatcher? watcher, ServiceManager? manager)
    {
        manager?.Reloading();
        if (watcher is not null)
            await watcher.ReloadAsync();
        manager?.Ready();
    }

    private static int Fail(int code, string problem)
    {
        Console.Error.WriteLine($"malha: {problem}");
        return code;
    }

    // The first signal drains; once this is disposed nobody handles them any more, and the second ends the process.
    private sealed class StopSignal : IDisposable
    {
        private readonly TaskCompletionSource _given = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private readonly PosixSignalRegistration _interrupt;
        private readonly PosixSignalRegistration _terminate;

        public StopSignal()
        {
            _interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, Stop);
            _terminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, Stop);
        }

        public Task Given => _given.Task;

        public void Dispose()
        {
            _interrupt.Dispose();
            _terminate.Dispose();
        }

        private void Stop(PosixSignalContext context)
        {
            context.Cancel = true;
            _given.TrySetResult();
        }
    }
}
