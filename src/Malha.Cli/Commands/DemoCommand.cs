using System.CommandLine;
using System.Runtime.InteropServices;
using Malha.Cli.Demo;

namespace Malha.Cli.Commands;

/// <summary><c>malha demo</c>: the sample shop, the gateway before it and a gentle load, until Ctrl-C.</summary>
internal static class DemoCommand
{
    public static Command Build()
    {
        var port = new Option<int>("--port") { Description = "The gateway's port", DefaultValueFactory = _ => DemoSite.DefaultGatewayPort };
        var adminPort = new Option<int>("--admin-port") { Description = "The admin listener's port", DefaultValueFactory = _ => DemoSite.DefaultAdminPort };
        foreach (var option in (Option<int>[])[port, adminPort])
        {
            option.Validators.Add(result =>
            {
                if (result.GetValueOrDefault<int>() is < 1 or > 65535)
                    result.AddError($"{option.Name} is from 1 to 65535");
            });
        }

        var command = new Command("demo", "Run the sample shop behind a gateway, with a gentle load") { port, adminPort };
        command.SetAction((parsed, cancellation) => RunAsync(parsed.GetValue(port), parsed.GetValue(adminPort), cancellation));
        return command;
    }

    private static async Task<int> RunAsync(int port, int adminPort, CancellationToken cancellation)
    {
        using var stopping = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        using var interrupt = StopOn(PosixSignal.SIGINT, stopping);
        using var terminate = StopOn(PosixSignal.SIGTERM, stopping);
        using var hangUp = StopOn(PosixSignal.SIGHUP, stopping);

        var site = DemoSite.Plan(port, adminPort, out var problem);
        if (site is null)
            return Fail(problem);

        await using var run = new DemoRun(site, TimeProvider.System, Console.Out);
        try
        {
            problem = await run.StartAsync(stopping.Token) ?? await run.WatchAsync(stopping.Token);
        }
        catch (OperationCanceledException) when (stopping.IsCancellationRequested)
        {
            problem = null; // stopped before everything was up
        }

        return problem is null ? Usage.Done : Fail(problem);
    }

    private static PosixSignalRegistration StopOn(PosixSignal signal, CancellationTokenSource stopping) =>
        PosixSignalRegistration.Create(signal, context =>
        {
            context.Cancel = true; // we end when everything that we started has ended
            stopping.Cancel();
        });

    private static int Fail(string? problem)
    {
        Console.Error.WriteLine($"malha: {problem}");
        return Usage.CannotReach;
    }
}
