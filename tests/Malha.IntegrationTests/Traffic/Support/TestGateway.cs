using System.Globalization;
using Malha.Configuration;
using Malha.IntegrationTests.Harness;
using Malha.Proxy;
using Malha.Proxy.Upstream;

namespace Malha.IntegrationTests.Traffic.Support;

/// <summary>A gateway in this process, made from the text of a file; its clock may be a test's own.</summary>
internal sealed class TestGateway : IAsyncDisposable
{
    /// <summary>The end of a file: no access log.</summary>
    public const string Quiet = "\naccessLog: { format: off }\n";

    private TestGateway(GatewayHost host) => Host = host;

    public GatewayHost Host { get; }

    public int Port => Host.Listeners.First().Address.Port;

    public static TestGateway Start(string yaml, TimeProvider? time = null)
    {
        var host = GatewayHost.Start(Read(yaml), time ?? TimeProvider.System, out var problem);
        Assert.True(host is not null, problem);
        return new TestGateway(host!);
    }

    /// <summary>One listener, one service and one route for everything, each with further keys as the file has them.</summary>
    public static TestGateway Before(ScriptedOrigin origin, string service = "", string listener = "", string route = "", TimeProvider? time = null) =>
        Start(File(origin.Url, service, listener, route), time);

    public static string File(string endpoint, string service = "", string listener = "", string route = "") => $$"""
        listeners:
          edge: { address: "127.0.0.1:0"{{Further(listener)}} }
        services:
          origin: { endpoints: [ "{{endpoint}}" ]{{Further(service)}} }
        routes:
          - { service: origin{{Further(route)}} }
        """;

    /// <summary>The built program with the same file, and without a line for each request, which a flood would make too many to keep.</summary>
    public static async Task<MalhaProcess> RunAsync(string endpoint, string service = "")
    {
        var folder = Directory.CreateTempSubdirectory("malha-run-");
        var path = Path.Combine(folder.FullName, "malha.yaml");
        await System.IO.File.WriteAllTextAsync(path, File(endpoint, service) + Quiet);
        var malha = await MalhaProcess.StartAsync(["run", path], 1);
        folder.Delete(recursive: true);
        return malha;
    }

    public static MalhaConfig Read(string yaml)
    {
        var result = MalhaConfigReader.Read(yaml, "malha.yaml", new SecretSource("/", Variable));
        Assert.True(result.Config is not null, string.Join('\n', result.Errors));
        return result.Config!;
    }

    public Task<Peer> ConnectAsync() => Peer.ConnectAsync(Port);

    /// <summary>One request on a connection of its own.</summary>
    public async Task<WireAnswer> AskAsync(string request, string method = "GET")
    {
        await using var client = await ConnectAsync();
        await client.SendAsync(request);
        return await client.ReadAnswerAsync(method);
    }

    public Task<WireAnswer> GetAsync(string path = "/") => AskAsync($"GET {path} HTTP/1.1\r\nHost: shop.example\r\n\r\n");

    /// <summary>A connection over TLS.</summary>
    public Task<TlsClient> SecureAsync(string? serverName = "localhost") => TlsClient.ConnectAsync(Port, serverName);

    public ServiceModel Service(string name = "origin") => Host.Plane.Model.Services[name];

    /// <summary>Waits until so many requests are in the queue for a connection to the first endpoint.</summary>
    public Task WaitsAsync(int count) => Eventually.HoldsAsync(() => Service().Endpoints[0].Pending == count, $"{count} wait for a connection");

    public async ValueTask DisposeAsync()
    {
        var listeners = Host.Listeners;
        await Host.DrainAsync(TimeSpan.Zero);
        await Eventually.HoldsAsync(() => listeners.All(listener => listener.Connections == 0), "all connections end");
        Host.Dispose();
    }

    private static string? Variable(string name) => name switch
    {
        "KEY_1" => "key-number-one",
        "KEY_2" => "key-number-two",
        "WEBHOOK_SECRET" => "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        "WEBHOOK_SECRET_NEXT" => "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=",
        "LONG_KEY" => "a-key-of-thirty-two-characters-or-more",
        _ => null,
    };

    private static string Further(string keys) => keys.Length == 0 ? "" : string.Create(CultureInfo.InvariantCulture, $", {keys}");
}
