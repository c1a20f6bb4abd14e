using Malha.Configuration;
using Malha.Proxy;

namespace Malha.Cli;

internal static class Program
{
    private static async Task<int> Main(string[] args)
    {
        // Read by the socket engine when the first socket is made: completions run on its threads, without a hop to the thread pool.
        Environment.SetEnvironmentVariable("DOTNET_SYSTEM_NET_SOCKETS_INLINE_COMPLETIONS", "1");
        if (args is not ["run", "--upstream", var upstream, "--listen", var listen])
            return 2;
        using var host = new GatewayHost(MalhaConfig.ForUpstream(new Uri(upstream), ListenAddress.Parse(listen)), TimeProvider.System);
        host.Start();
        foreach (var listener in host.Listeners)
            Console.WriteLine($$"""{"level":"info","event":"listening","listener":"{{listener.Config.Name}}","address":"{{listener.Address}}"}""");
        await Task.Delay(Timeout.Infinite);
        return 0;
    }
}
