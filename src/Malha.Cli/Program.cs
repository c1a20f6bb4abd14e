using System.CommandLine;
using Malha.Cli.Commands;

namespace Malha.Cli;

internal static class Program
{
    private static async Task<int> Main(string[] args)
    {
        // Read by the socket engine when the first socket is made: completions run on its threads, without a hop to the thread pool.
        Environment.SetEnvironmentVariable("DOTNET_SYSTEM_NET_SOCKETS_INLINE_COMPLETIONS", "1");

        var root = new RootCommand("Malha keeps services standing when the ones they call fall.")
        {
            RunCommand.Build(),
            CheckCommand.Build(),
            ExplainCommand.Build(),
            WhyCommand.Build(),
            BreakerCommand.Build(),
            DrainCommand.Build(),
            TopCommand.Build(),
            OpsCommand.Build(),
            DeadLettersCommand.Build(),
            DemoCommand.Build(),
            LabCommand.Build(),
            SchemaCommand.Build(),
        };
        var parsed = root.Parse(args);
        // Commands end when they have put things in order; left to itself the library would end the program two seconds after a signal.
        var invocation = new InvocationConfiguration { ProcessTerminationTimeout = null };
        return parsed.Errors.Count > 0 ? Usage.Wrong(parsed) : await parsed.InvokeAsync(invocation);
    }
}
