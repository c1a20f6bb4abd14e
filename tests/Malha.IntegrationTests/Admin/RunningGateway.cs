using System.Net;
using System.Text;
using System.Text.Json;
using Malha.Configuration;
using Malha.ControlPlane.Api;
using Malha.Delivery;
using Malha.Proxy;
using Malha.Proxy.Telemetry;
using Malha.Proxy.Telemetry.Logging;

namespace Malha.IntegrationTests.Admin;

/// <summary>A gateway with its admin API in this process, from a file of its own, with its log in memory.</summary>
internal sealed class RunningGateway : IAsyncDisposable
{
    private readonly MemoryLog _log = new();
    private readonly LogOutput _output;
    private readonly DirectoryInfo _directory;
    private readonly ConfigFileWatcher _watcher;

    // Tokens of tests do not belong into the home directory.
    static RunningGateway() => Environment.SetEnvironmentVariable("XDG_RUNTIME_DIR", Directory.CreateTempSubdirectory("malha-tests-").FullName);

    private RunningGateway(string yaml)
    {
        _directory = Directory.CreateTempSubdirectory("malha-admin-");
        File = Path.Combine(_directory.FullName, "malha.yaml");
        System.IO.File.WriteAllText(File, yaml);
        _output = new LogOutput(_log, isTerminal: false);
        var read = MalhaConfigReader.ReadFile(File, name => name == "ADMIN_TOKEN" ? "the-configured-token" : null);
        Assert.True(read.IsGood, string.Join('\n', read.Errors));
        Host = GatewayHost.Start(read.Config, TimeProvider.System, out var problem, new GatewayTelemetry(TimeProvider.System, _output)) ?? throw new InvalidOperationException(problem);
        _watcher = new ConfigFileWatcher(File, read.Config, Host, TimeProvider.System);
        Delivery = DeliveryRole.Start(Host, out problem) ?? throw new InvalidOperationException(problem);
        Role = AdminRole.Start(Host, _watcher, TimeProvider.System, out problem, Delivery) ?? throw new InvalidOperationException(problem);
    }

    public GatewayHost Host { get; }

    public AdminRole Role { get; }

    public DeliveryRole Delivery { get; }

    public string File { get; }

    public int Port => Host.Listeners.First().Address.Port;

    public string Admin => $"http://127.0.0.1:{Role.Server!.Address.Port}";

    public string Token => System.IO.File.ReadAllText(Role.Server!.TokenFile!);

    public HttpClient Client { get; } = new(new SocketsHttpHandler { UseProxy = false, AllowAutoRedirect = false, UseCookies = false });

    /// <summary>With one listener `edge` on a free port, and the admin API on another unless the text says something of it.</summary>
    public static async Task<RunningGateway> StartAsync(string yaml, string admin = "{ address: 127.0.0.1:0 }")
    {
        var gateway = new RunningGateway($"listeners:\n  edge: {{ address: 127.0.0.1:0, headerTimeout: 500ms }}\n{(admin.Length == 0 ? "" : $"admin: {admin}\n")}{yaml}");
        await gateway.Role.Applied;
        return gateway;
    }

    /// <summary>Asks the admin API.</summary>
    public async Task<(HttpStatusCode Status, JsonElement Json)> AskAsync(string path, HttpMethod? method = null, string? token = null, string? body = null)
    {
        using var request = new HttpRequestMessage(method ?? HttpMethod.Get, Admin + path);
        if (body is not null)
            request.Content = new StringContent(body, Encoding.UTF8, "application/json");
        if (token is not null)
            request.Headers.Authorization = new("Bearer", token);
        using var response = await Client.SendAsync(request, TestContext.Current.CancellationToken);
        var text = await response.Content.ReadAsStringAsync(TestContext.Current.CancellationToken);
        return (response.StatusCode, JsonDocument.Parse(text).RootElement);
    }

    /// <summary>Sends a request through the gateway.</summary>
    public Task<HttpResponseMessage> SendAsync(string target, HttpMethod? method = null) =>
        Client.SendAsync(new HttpRequestMessage(method ?? HttpMethod.Get, $"http://127.0.0.1:{Port}{target}"), TestContext.Current.CancellationToken);

    /// <summary>The log so far, as it was written.</summary>
    public string[] LogText()
    {
        Assert.True(_output.Flush(TimeSpan.FromSeconds(30)));
        return Encoding.UTF8.GetString(_log.ToArray()).Split('\n', StringSplitOptions.RemoveEmptyEntries);
    }

    /// <summary>The log so far.</summary>
    public IReadOnlyList<JsonElement> Log() => [.. LogText().Select(line => JsonDocument.Parse(line).RootElement)];

    /// <summary>The first line of the log that fits; waits for it.</summary>
    public async Task<JsonElement> LogLineAsync(Func<JsonElement, bool> fits)
    {
        using var poll = new PeriodicTimer(TimeSpan.FromMilliseconds(5));
        while (true)
        {
            if (Log().Where(fits).Take(1).ToArray() is [var line])
                return line;
            await poll.WaitForNextTickAsync(TestContext.Current.CancellationToken);
        }
    }

    public async ValueTask DisposeAsync()
    {
        Client.Dispose();
        await Role.DisposeAsync();
        await Delivery.DisposeAsync();
        _watcher.Dispose();
        Host.Dispose();
        _output.Dispose();
        _log.Dispose();
        _directory.Delete(recursive: true);
    }

    /// <summary>Read while it is written: each batch of lines is there whole, or not yet.</summary>
    private sealed class MemoryLog : MemoryStream
    {
        private readonly Lock _lock = new();

        public override void Write(ReadOnlySpan<byte> buffer)
        {
            lock (_lock)
                base.Write(buffer);
        }

        public override byte[] ToArray()
        {
            lock (_lock)
                return base.ToArray();
        }
    }
}
