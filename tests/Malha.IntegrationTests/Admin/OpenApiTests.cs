using System.Net;
using System.Text.Json;
using Malha.IntegrationTests.Lanes.Support;
using Malha.IntegrationTests.Traffic.Support;

namespace Malha.IntegrationTests.Admin;

/// <summary>The document is made from the code; that it says what the API answers is checked against real answers.</summary>
public sealed class OpenApiTests
{
    [Fact]
    public async Task Every_answer_is_as_the_document_says()
    {
        using var folder = new LaneFolder();
        await using var server = LedgerServer.Start();
        server.Answer = _ => Task.FromResult<string?>(ScriptedOrigin.Answer("cannot", status: 500));
        await using var gateway = await RunningGateway.StartAsync($$"""
            delivery: { path: "{{folder.Path}}", minFree: 1MiB, attempts: 1 }
            clients: { anyone: { any: true, limit: [ 1000/s, { rate: 1000/s, per: ip } ] } }
            services: { web: { endpoints: [ http://127.0.0.1:1 ], breaker: {}, capacity: 100/s }, ledger: { endpoints: [ "{{server.Url}}" ] } }
            routes:
              - { match: { path: /moved }, redirect: { to: /elsewhere } }
              - { match: { path: /**, query: { q: { prefix: a } } }, service: web }
              - { match: { path: /later }, service: web, defer: { when: always } }
              - { match: { path: /dead }, service: ledger, defer: { when: always } }

            """);
        (await gateway.SendAsync("/x?q=a")).Dispose();
        await gateway.LogLineAsync(line => line.TryGetProperty("target", out _));
        await gateway.AskAsync("/api/v1/config/reload", HttpMethod.Post, gateway.Token);
        var document = (await gateway.AskAsync("/api/v1/openapi.json")).Json;
        var decision = gateway.Host.Telemetry.Decisions.Latest(long.MaxValue, 1)[0].RequestId;

        var waiting = new Queue<string>();
        for (var number = 0; number < 4; number++)
            waiting.Enqueue(await AcceptAsync(gateway, "/later"));
        var dead = await AcceptAsync(gateway, "/dead");
        await Eventually.HoldsAsync(() => gateway.Delivery.Lane!.Store.DeadLanes().Value is { Count: 1 }, "it is dead");

        var checkedPaths = 0;
        foreach (var path in document.GetProperty("paths").EnumerateObject())
        {
            var template = path.Name.Replace("{name}", "web", StringComparison.Ordinal)
                .Replace("{service}", "web", StringComparison.Ordinal).Replace("{endpoint}", "127.0.0.1:1", StringComparison.Ordinal);
            foreach (var operation in path.Value.EnumerateObject())
            {
                Assert.True(operation.Value.TryGetProperty("summary", out _), $"{operation.Name} {path.Name} has no summary");
                if (operation.Value.TryGetProperty("parameters", out var parameters))
                    Assert.All(parameters.EnumerateArray(), parameter => Assert.NotEqual("", parameter.GetProperty("description").GetString()));
                var content = operation.Value.GetProperty("responses").GetProperty("200").GetProperty("content");
                if (!content.TryGetProperty("application/json", out var json))
                    continue;
                var method = new HttpMethod(operation.Name.ToUpperInvariant());
                var id = !path.Name.Contains("operations", StringComparison.Ordinal) ? decision : path.Name.EndsWith("response", StringComparison.Ordinal) ? dead
                    : method == HttpMethod.Get ? waiting.Peek() : path.Name.Contains("{id}", StringComparison.Ordinal) ? waiting.Dequeue() : "";
                var url = template.Replace("{id}", id, StringComparison.Ordinal);
                var order = path.Name.Contains("deadletters", StringComparison.Ordinal) ? """{ "all": true }""" : """{ "mode": "shadow", "forMs": 1000 }""";
                var (status, answer) = await AskAsync(gateway, url, method, operation.Value.TryGetProperty("requestBody", out _) ? order : null);
                Assert.True(status == HttpStatusCode.OK, $"{method} {url}: {status} {answer}");
                Check(document, json.GetProperty("schema"), answer, path.Name);
                Assert.Equal(method != HttpMethod.Get, operation.Value.TryGetProperty("security", out _));
                checkedPaths++;
            }
        }
        Assert.Equal(27, checkedPaths);
        Assert.Equal(
            ["/api/v1/admission", "/api/v1/breakers", "/api/v1/breakers/{service}", "/api/v1/clients", "/api/v1/config", "/api/v1/config/reload", "/api/v1/deadletters", "/api/v1/deadletters/drop", "/api/v1/deadletters/replay", "/api/v1/decisions", "/api/v1/decisions/{id}", "/api/v1/events", "/api/v1/lanes", "/api/v1/limits", "/api/v1/listeners",
             "/api/v1/operations", "/api/v1/operations/{id}", "/api/v1/operations/{id}/cancel", "/api/v1/operations/{id}/response", "/api/v1/operations/{id}/retry", "/api/v1/protection", "/api/v1/routes",
             "/api/v1/services", "/api/v1/services/{name}/endpoints", "/api/v1/services/{name}/endpoints/{endpoint}", "/api/v1/services/{name}/endpoints/{endpoint}/drain", "/livez", "/metrics", "/readyz"],
            document.GetProperty("paths").EnumerateObject().Select(path => path.Name).Order(StringComparer.Ordinal));
    }

    // One that is tried in this very moment is not to be changed: then once more.
    private static async Task<(HttpStatusCode Status, JsonElement Json)> AskAsync(RunningGateway gateway, string url, HttpMethod method, string? body)
    {
        var answer = await gateway.AskAsync(url, method, method == HttpMethod.Get ? null : gateway.Token, body);
        for (var tries = 0; answer.Status == HttpStatusCode.Conflict && tries < 50; tries++)
            answer = await gateway.AskAsync(url, method, gateway.Token, body);
        return answer;
    }

    private static async Task<string> AcceptAsync(RunningGateway gateway, string path)
    {
        await using var client = await Peer.ConnectAsync(gateway.Port);
        await client.SendAsync(LaneGateway.Post(path));
        return LaneGateway.IdOf((await client.ReadAnswerAsync("POST")).Value("Location")!).ToString();
    }

    // Every member is described, every one that must be there is, and each has its type.
    private static void Check(JsonElement document, JsonElement schema, JsonElement value, string where)
    {
        if (schema.TryGetProperty("oneOf", out var choices))
        {
            if (value.ValueKind == JsonValueKind.Null)
                return;
            schema = choices.EnumerateArray().First(choice => !choice.TryGetProperty("type", out var type) || type.ValueKind != JsonValueKind.String || type.GetString() != "null");
        }
        if (schema.TryGetProperty("$ref", out var reference))
            schema = document.GetProperty("components").GetProperty("schemas").GetProperty(reference.GetString()!.Split('/')[^1]);
        string?[] types = schema.GetProperty("type") is { ValueKind: JsonValueKind.Array } several ? [.. several.EnumerateArray().Select(type => type.GetString())] : [schema.GetProperty("type").GetString()];
        var actual = value.ValueKind switch
        {
            JsonValueKind.Object => "object",
            JsonValueKind.Array => "array",
            JsonValueKind.String => "string",
            JsonValueKind.Number => types.Contains("integer") && value.TryGetInt64(out _) ? "integer" : "number",
            JsonValueKind.Null => "null",
            _ => "boolean",
        };
        Assert.True(types.Contains(actual), $"{where} is {actual} and not {string.Join(" or ", types)}");

        if (value.ValueKind == JsonValueKind.Array)
        {
            foreach (var item in value.EnumerateArray())
                Check(document, schema.GetProperty("items"), item, where + "[]");
        }
        if (value.ValueKind != JsonValueKind.Object)
            return;
        if (schema.TryGetProperty("additionalProperties", out var any))
        {
            foreach (var member in value.EnumerateObject())
                Check(document, any, member.Value, $"{where}.{member.Name}");
            return;
        }
        foreach (var required in schema.GetProperty("required").EnumerateArray())
            Assert.True(value.TryGetProperty(required.GetString()!, out _), $"{where} has no {required}");
        foreach (var member in value.EnumerateObject())
        {
            Assert.True(schema.GetProperty("properties").TryGetProperty(member.Name, out var described), $"{where}.{member.Name} is not in the schema");
            // What is a type of its own is described there.
            Assert.True(
                described.TryGetProperty("description", out _) || described.TryGetProperty("$ref", out _) || described.TryGetProperty("oneOf", out _),
                $"{where}.{member.Name} is not described");
            Check(document, described, member.Value, $"{where}.{member.Name}");
        }
    }
}
