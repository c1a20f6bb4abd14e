using System.Text.Json;
using Malha.Delivery;
using Malha.Delivery.Operations;
using Malha.IntegrationTests.Harness;
using Malha.IntegrationTests.Traffic.Support;

namespace Malha.IntegrationTests.Lanes.Support;

/// <summary>A gateway in this process with the durable lane, in a folder that outlives it, so that it can be started again.</summary>
internal sealed class LaneGateway : IAsyncDisposable
{
    private readonly TestGateway _gateway;
    private readonly DeliveryRole _role;

    private LaneGateway(TestGateway gateway, DeliveryRole role) => (_gateway, _role) = (gateway, role);

    public Lane Lane => _role.Lane!;

    public TestGateway Gateway => _gateway;

    /// <summary>One service and one route.</summary>
    /// <param name="folder">Where the log is.</param>
    /// <param name="server">The service.</param>
    /// <param name="defer">Keys of the route's deferral.</param>
    /// <param name="service">Further keys of the service.</param>
    /// <param name="delivery">Further keys of the lane.</param>
    /// <param name="top">Further keys of the file.</param>
    public static LaneGateway Start(
        LaneFolder folder, LedgerServer server, string defer = "when: unavailable, acks: leader", string service = "", string delivery = "", string top = "") =>
        Start(File(folder, server, defer, service, delivery, top));

    public static LaneGateway Start(string file)
    {
        var gateway = TestGateway.Start(file);
        var role = DeliveryRole.Start(gateway.Host, out var problem);
        Assert.True(role is not null, problem);
        return new LaneGateway(gateway, role!);
    }

    public static string File(LaneFolder folder, LedgerServer server, string defer, string service = "", string delivery = "", string top = "") => $$"""
        listeners: { edge: { address: "127.0.0.1:0" } }
        delivery: { path: "{{folder.Path}}", minFree: 1MiB, backoff: 50ms..500ms{{(delivery.Length > 0 ? ", " + delivery : "")}} }
        services:
          pay: { endpoints: [ "{{server.Url}}" ]{{(service.Length > 0 ? ", " + service : "")}} }
        routes:
          - { service: pay, defer: { {{defer}} } }
        {{top}}
        """;

    public static string Post(string path = "/pay", string body = "amount=1", string fields = "") =>
        $"POST {path} HTTP/1.1\r\nHost: shop.example\r\nContent-Length: {body.Length}\r\n{fields}\r\n{body}";

    public Task<WireAnswer> PostAsync(string path = "/pay", string body = "amount=1", string fields = "") => _gateway.AskAsync(Post(path, body, fields), "POST");

    public Task<WireAnswer> AskAsync(string method, string path, string fields = "") => _gateway.AskAsync($"{method} {path} HTTP/1.1\r\nHost: a\r\n{fields}\r\n", method);

    /// <summary>Accepts one, and gives back where it is.</summary>
    public async Task<string> AcceptedAsync(string path = "/pay", string body = "amount=1", string fields = "")
    {
        var answer = await PostAsync(path, body, fields);
        Assert.True(answer.Status == 202, $"{answer.Status} {WireText.Text(answer.Body)}");
        return answer.Value("Location")!;
    }

    public async Task<JsonElement> OperationAsync(string location, string fields = "")
    {
        var answer = await AskAsync("GET", location, fields);
        Assert.True(answer.Status == 200, $"{answer.Status} {WireText.Text(answer.Body)}");
        return JsonDocument.Parse(answer.Body).RootElement;
    }

    /// <summary>Waits until an operation is in a state.</summary>
    public async Task<JsonElement> BecomesAsync(string location, string state, string fields = "")
    {
        var operation = default(JsonElement);
        using var timer = new PeriodicTimer(TimeSpan.FromMilliseconds(10));
        for (var until = TimeProvider.System.GetTimestamp(); TimeProvider.System.GetElapsedTime(until) < Peer.Patience;)
        {
            operation = await OperationAsync(location, fields);
            if (operation.GetProperty("state").GetString() == state)
                return operation;
            await timer.WaitForNextTickAsync(TestContext.Current.CancellationToken);
        }
        throw new TimeoutException($"the operation does not become {state}: {operation}");
    }

    public static OperationId IdOf(string location)
    {
        Assert.True(OperationId.TryParse(location.AsSpan(location.LastIndexOf('/') + 1), out var id));
        return id;
    }

    public async ValueTask DisposeAsync()
    {
        await _role.DisposeAsync();
        await _gateway.DisposeAsync();
    }
}

/// <summary>Where a lane's log is; gone with this.</summary>
internal sealed class LaneFolder : IDisposable
{
    public string Path { get; } = Directory.CreateDirectory(
        System.IO.Path.Combine(Directory.Exists("/dev/shm") ? "/dev/shm" : System.IO.Path.GetTempPath(), $"malha-lane-{Guid.NewGuid():n}")).FullName;

    public void Dispose() => Directory.Delete(Path, recursive: true);
}
