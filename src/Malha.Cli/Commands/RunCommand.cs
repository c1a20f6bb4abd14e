using System.CommandLine;
using System.Runtime.InteropServices;
using Malha.Configuration;
using Malha.Proxy;

namespace Malha.Cli.Commands;

/// <summary><c>malha run</c>: the gateway, from a file or before one URL, until SIGTERM or Ctrl-C.</summary>
internal static class RunCommand
{
    public static Command Build()
    {
        var upstream = new Option<string?>("--upstream") { Description = "Run without a file, before this URL", HelpName = "URL" };
        var listen = new Option<string?>("--listen") { Description = "With --upstream: where to listen (127.0.0.1:8080)", HelpName = "ADDRESS:PORT" };
        var command = new Command("run", "Run the gateway") { upstream, listen };
        command.SetAction((parsed, _) => RunAsync(parsed.GetValue(upstream)!, parsed.GetValue(listen)));
        return command;
    }

    private static async Task<int> RunAsync(string upstream, string? listen)
    {
        var config = MalhaConfig.ForUpstream(new Uri(upstream), listen is null ? null : ListenAddress.Parse(listen));
        using var host = GatewayHost.Start(config, TimeProvider.System, out var problem);
        if (host is null)
        {
            Console.Error.WriteLine($"malha: {problem}");
            return Usage.CannotReach;
        }
        foreach (var listener in host.Listeners)
            Console.WriteLine($$"""{"level":"info","event":"listening","listener":"{{listener.Config.Name}}","address":"{{listener.Address}}"}""");

        var stopping = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        void Stop(PosixSignalContext context)
        {
            // The first signal drains; the second ends the process, as it would have without us.
            context.Cancel = stopping.TrySetResult();
        }
        using var interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, Stop);
        using var terminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, Stop);
        await stopping.Task;
        await host.DrainAsync(GatewayHost.DrainPatience);
        return Usage.Done;
    }
}
