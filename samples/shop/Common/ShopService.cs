using System.Globalization;
using System.Net;
using System.Net.Sockets;

namespace Malha.Samples.Shop;

/// <summary>What all five services have in common: command line, port, switches, health, and a clean end.</summary>
internal sealed class ShopService
{
    private ShopService(string role, int port, bool exitsWithStdin)
    {
        Role = role;
        Port = port;
        ExitsWithStdin = exitsWithStdin;
    }

    public string Role { get; }

    public int Port { get; }

    /// <summary>Whether the service ends when its standard input does, so that it never outlives the program that started it.</summary>
    public bool ExitsWithStdin { get; }

    /// <summary>Reads the command line; null when it is not one of ours.</summary>
    public static ShopService? Read(string[] args)
    {
        if (args.Length == 0 || Neighbours.PortOf(args[0]) is not { } port)
            return null;

        var exitsWithStdin = false;
        for (var i = 1; i < args.Length; i++)
        {
            if (args[i] == "--exit-with-stdin")
                exitsWithStdin = true;
            else if (args[i] == "--port" && i + 1 < args.Length && ushort.TryParse(args[i + 1], CultureInfo.InvariantCulture, out var number))
                (port, i) = (number, i + 1);
            else
                return null;
        }

        return new ShopService(args[0], port, exitsWithStdin);
    }

    public WebApplication Build()
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders().AddSimpleConsole(console => console.SingleLine = true).SetMinimumLevel(LogLevel.Warning);
        // A port that is taken is told by Run, in one line.
        builder.Logging.AddFilter("Microsoft.Extensions.Hosting.Internal.Host", LogLevel.None);
        builder.WebHost.ConfigureKestrel(kestrel => kestrel.Listen(IPAddress.Loopback, Port));
        builder.Services.AddProblemDetails();
        builder.Services.AddSingleton(TimeProvider.System);
        builder.Services.AddSingleton<Switchboard>();
        builder.Services.AddSingleton<Neighbours>();
        Health.Add(builder.Services, Role);

        var app = builder.Build();
        Switchboard.Map(app);
        Health.Map(app);
        return app;
    }

    /// <summary>Runs until it is told to end. The exit code is 3 when the port is taken.</summary>
    public async Task<int> Run(WebApplication app)
    {
        try
        {
            await app.StartAsync();
        }
        catch (IOException error) when (error.InnerException is Microsoft.AspNetCore.Connections.AddressInUseException or SocketException)
        {
            await Console.Error.WriteLineAsync($"shop {Role}: port {Port} is taken; --port N chooses another");
            return 3;
        }

        if (ExitsWithStdin)
            _ = StopWithStdin(app.Lifetime);
        await app.WaitForShutdownAsync();
        return 0;
    }

    private static async Task StopWithStdin(IHostApplicationLifetime lifetime)
    {
        await using var input = Console.OpenStandardInput();
        var buffer = new byte[64];
        while (await input.ReadAsync(buffer) > 0)
        {
            // Whatever is written to us means only that the writer is alive.
        }

        lifetime.StopApplication();
    }
}
