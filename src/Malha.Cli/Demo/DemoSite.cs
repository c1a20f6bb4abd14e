using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text.RegularExpressions;

namespace Malha.Cli.Demo;

/// <summary>What runs where: the ports, and the files in the repository that the demo reads and writes.</summary>
internal sealed partial record DemoSite(string Root, int GatewayPort, int AdminPort)
{
    public const int DefaultGatewayPort = 8080;
    public const int DefaultAdminPort = 9700;

    /// <summary>The services, with the ports that samples/shop/malha.yaml gives them.</summary>
    public static readonly IReadOnlyList<(string Name, int Port)> Services =
        [("web", 7101), ("orders", 7102), ("payments", 7103), ("inventory", 7104), ("notify", 7105)];

    /// <summary>Where the services listen in fact: somewhere else when their port was taken.</summary>
    public required IReadOnlyDictionary<string, int> ServicePorts { get; init; }

    public string ShopProject => Path.Combine(Root, "samples", "shop");

    public string ShopProgram => Path.Combine(Root, "artifacts", "bin", "Shop", "release", "shop");

    /// <summary>Configuration and logs of this demo. Two demos have different ports, and so different directories.</summary>
    public string Directory => Path.Combine(Root, "artifacts", string.Create(CultureInfo.InvariantCulture, $"demo-{GatewayPort}"));

    public string Configuration => Path.Combine(Directory, "malha.yaml");

    public string Gateway => At(GatewayPort);

    public string Admin => At(AdminPort);

    public static string At(int port) => string.Create(CultureInfo.InvariantCulture, $"http://127.0.0.1:{port}");

    public string Log(string process) => Path.Combine(Directory, process + ".log");

    /// <summary>Finds the repository; null with the reason when there is none, or a port that was asked for is taken.</summary>
    public static DemoSite? Plan(int gatewayPort, int adminPort, out string? problem)
    {
        if (FindRoot() is not { } root)
            problem = "the demo runs from a clone of Malha's repository, and there is none here; start it as ./malha demo";
        else if (gatewayPort == adminPort)
            problem = "--port and --admin-port are the same";
        else if (!IsFree(gatewayPort))
            problem = $"port {gatewayPort} is taken; --port N puts the gateway elsewhere";
        else if (!IsFree(adminPort))
            problem = $"port {adminPort} is taken; --admin-port N puts the admin listener elsewhere";
        else
        {
            problem = null;
            var site = new DemoSite(root, gatewayPort, adminPort) { ServicePorts = Services.ToDictionary(service => service.Name, service => service.Port) };
            System.IO.Directory.CreateDirectory(site.Directory);
            return site;
        }

        return null;
    }

    /// <summary>Writes samples/shop/malha.yaml with this site's ports: a copy, to be changed and broken at will.</summary>
    public void WriteConfiguration()
    {
        var ports = Services.ToDictionary(service => service.Port, service => ServicePorts[service.Name]);
        ports.Add(DefaultGatewayPort, GatewayPort);
        ports.Add(DefaultAdminPort, AdminPort);
        var sample = File.ReadAllText(Path.Combine(ShopProject, "malha.yaml"));
        File.WriteAllText(Configuration, LoopbackPort().Replace(sample, match =>
        {
            var port = int.Parse(match.ValueSpan["127.0.0.1:".Length..], CultureInfo.InvariantCulture);
            return string.Create(CultureInfo.InvariantCulture, $"127.0.0.1:{ports.GetValueOrDefault(port, port)}");
        }));
    }

    private static string? FindRoot()
    {
        // ./malha says where the repository is; an executable started by itself lies somewhere in it, or nowhere.
        var candidate = Environment.GetEnvironmentVariable("MALHA_ROOT") ?? AppContext.BaseDirectory;
        for (var directory = new DirectoryInfo(candidate); directory is not null; directory = directory.Parent)
        {
            if (File.Exists(Path.Combine(directory.FullName, "samples", "shop", "Shop.csproj")))
                return directory.FullName;
        }

        return null;
    }

    private static bool IsFree(int port)
    {
        try
        {
            using var listener = new TcpListener(IPAddress.Loopback, port);
            listener.Start();
            return true;
        }
        catch (SocketException)
        {
            return false;
        }
    }

    [GeneratedRegex(@"127\.0\.0\.1:\d+")]
    private static partial Regex LoopbackPort();
}
