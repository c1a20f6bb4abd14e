using System.Text.Json;

namespace Malha.IntegrationTests.Admin;

public sealed class EventStreamTests
{
    private const string Yaml = "services: { web: { endpoints: [ http://127.0.0.1:1 ] } }\nroutes: [ { match: { path: /** }, service: web } ]\n";

    [Fact]
    public async Task A_listener_gets_a_snapshot_then_what_was_logged_then_what_happens()
    {
        await using var gateway = await RunningGateway.StartAsync(Yaml);
        using var stream = await ListenAsync(gateway);
        var snapshot = await NextAsync(stream);
        Assert.Equal("snapshot", snapshot.Name);
        Assert.Equal(1, snapshot.Data.GetProperty("configVersion").GetInt64());
        Assert.Equal(gateway.Port.ToString(System.Globalization.CultureInfo.InvariantCulture), snapshot.Data.GetProperty("listeners")[0].GetProperty("address").GetString()!.Split(':')[1]);
        Assert.Equal(["edge", "admin"], [(await NextAsync(stream)).Data.GetProperty("listener").GetString(), (await NextAsync(stream)).Data.GetProperty("listener").GetString()]);

        using var answer = await gateway.SendAsync("/refused");
        var decision = await NextAsync(stream);
        Assert.Equal(("decision", "/refused"), (decision.Name, decision.Data.GetProperty("target").GetString()));

        await gateway.AskAsync("/api/v1/config/reload", HttpMethod.Post, gateway.Token);
        var reloaded = await NextAsync(stream);
        Assert.Equal(("event", "reloaded"), (reloaded.Name, reloaded.Data.GetProperty("event").GetString()));
    }

    [Fact]
    public async Task More_than_a_listener_can_take_is_dropped_and_told()
    {
        await using var gateway = await RunningGateway.StartAsync(Yaml);
        using var stream = await ListenAsync(gateway);
        for (var count = 0; count < 3; count++)
            await NextAsync(stream);
        // Faster than the stream looks.
        for (var count = 0; count < 5000; count++)
            gateway.Host.Telemetry.Events.Info("flood");

        var events = 0;
        var dropped = 0L;
        while (events + dropped < 5000)
        {
            var next = await NextAsync(stream);
            if (next.Name == "event")
                events++;
            else
                dropped += next.Data.GetProperty("events").GetInt64();
        }
        Assert.Equal(5000, events + dropped);
        Assert.True(dropped > 0);
    }

    [Fact]
    public async Task The_stream_ends_with_the_gateway()
    {
        var gateway = await RunningGateway.StartAsync(Yaml);
        using var client = new HttpClient();
        using var stream = new StreamReader(await client.GetStreamAsync(gateway.Admin + "/api/v1/events", TestContext.Current.CancellationToken));
        await NextAsync(stream);
        await gateway.DisposeAsync();
        while (await stream.ReadLineAsync(TestContext.Current.CancellationToken) is not null)
        {
            // What had been sent before.
        }
    }

    private static async Task<StreamReader> ListenAsync(RunningGateway gateway)
    {
        var response = await gateway.Client.GetAsync(gateway.Admin + "/api/v1/events", HttpCompletionOption.ResponseHeadersRead, TestContext.Current.CancellationToken);
        Assert.Equal("text/event-stream", response.Content.Headers.ContentType!.MediaType);
        return new StreamReader(await response.Content.ReadAsStreamAsync(TestContext.Current.CancellationToken));
    }

    private static async Task<(string Name, JsonElement Data)> NextAsync(StreamReader stream)
    {
        var name = "";
        while (await stream.ReadLineAsync(TestContext.Current.CancellationToken) is { } line)
        {
            if (line.StartsWith("event: ", StringComparison.Ordinal))
                name = line[7..];
            else if (line.StartsWith("data: ", StringComparison.Ordinal))
                return (name, JsonDocument.Parse(line[6..]).RootElement);
        }
        throw new EndOfStreamException();
    }
}
