using System.Globalization;
using System.Net;
using Microsoft.AspNetCore.Connections;

namespace Malha.Samples.Shop;

/// <summary>What all five services have in common: command line, port, switches, health, and a clean end.</summary>
/// <param name="Role">The service's name.</param>
/// <param name="Port">Where to listen, on loopback.</param>
/// <param name="OrAnyPort">Whether a port that is taken is replaced by a free one.</param>
/// <param name="ExitsWithStdin">Whether the service ends when its standard input does, so that it never outlives the program that started it.</param>
internal sealed record ShopService(string Role, int Port, bool OrAnyPort, bool ExitsWithStdin)
{
    /// <summary>Reads the command line; null when it is not one of ours.</summary>
    public static ShopService? Read(string[] args)
    {
        if (args.Length == 0 || Neighbours.PortOf(args[0]) is not { } port)
            return null;

        var service = new ShopService(args[0], port, OrAnyPort: false, ExitsWithStdin: false);
        for (var i = 1; i < args.Length; i++)
        {
            switch (args[i])
            {
                case "--or-any-port":
                    service = service with { OrAnyPort = true };
                    break;
                case "--exit-with-stdin":
                    service = service with { ExitsWithStdin = true };
                    break;
                case "--port" when i + 1 < args.Length && ushort.TryParse(args[i + 1], CultureInfo.InvariantCulture, out var number):
                    service = service with { Port = number };
                    i++;
                    break;
                default:
                    return null;
            }
        }

        return service;
    }

    /// <summary>Runs until it is told to end. The exit code is 3 when the port is taken.</summary>
    public async Task<int> Run(Action<WebApplication> map)
    {
        await using var app = await Start(Port, map) ?? (OrAnyPort ? await Start(0, map) : null);
        if (app is null)
        {
            await Console.Error.WriteLineAsync($"shop {Role}: port {Port} is taken; --port N chooses another");
            return 3;
        }

        Console.WriteLine($"{Role} listens on {app.Urls.Single()}");
        if (ExitsWithStdin)
            _ = StopWithStdin(app.Lifetime);
        await app.WaitForShutdownAsync();
        return 0;
    }

    /// <summary>The running service, or null when the port is taken.</summary>
    private async Task<WebApplication?> Start(int port, Action<WebApplication> map)
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders().AddSimpleConsole(console => console.SingleLine = true).SetMinimumLevel(LogLevel.Warning);
        // A port that is taken is told by Run, in one line.
        builder.Logging.AddFilter("Microsoft.Extensions.Hosting.Internal.Host", LogLevel.None);
        builder.WebHost.ConfigureKestrel(kestrel => kestrel.Listen(IPAddress.Loopback, port));
        builder.Services.AddProblemDetails();
        builder.Services.AddSingleton(TimeProvider.System);
        builder.Services.AddSingleton<Switchboard>();
        builder.Services.AddSingleton<Neighbours>();
        Health.Add(builder.Services, Role);

        var app = builder.Build();
        Switchboard.Map(app);
        Health.Map(app);
        map(app);
        try
        {
            await app.StartAsync();
            return app;
        }
        catch (IOException error) when (error.InnerException is AddressInUseException)
        {
            await app.DisposeAsync();
            return null;
        }
    }

    private static async Task StopWithStdin(IHostApplicationLifetime lifetime)
    {
        await using var input = Console.OpenStandardInput();
        // Whatever is written to us means only that the writer is alive.
        await input.CopyToAsync(Stream.Null);
        lifetime.StopApplication();
    }
}
