using System.Globalization;
using Malha.IntegrationTests.Harness;
using Malha.IntegrationTests.Traffic.Support;
using Microsoft.Extensions.Time.Testing;
using static Malha.IntegrationTests.Clients.ClientsGateway;

namespace Malha.IntegrationTests.Clients;

/// <summary>Who is let in, on the wire.</summary>
public sealed class CredentialTests
{
    private const string Clients = """
        clients:
          billing: { apiKey: [ env:KEY_1, env:KEY_2 ] }
          anyone: { any: true }
        """;

    [Fact]
    public async Task Wrong_key_is_answered_401_and_the_service_hears_nothing()
    {
        await using var origin = ScriptedOrigin.Echoing();
        await using var gateway = TestGateway.Start(File(origin, Clients));
        foreach (var fields in (string[])[Key("wrong"), Key(""), Key("key-number-one") + Key("key-number-one"), Key("key-number-one") + "x-api-key: wrong\r\n", Key("KEY-NUMBER-ONE")])
        {
            var answer = await gateway.AskAsync(Get(fields));
            var problem = Problem.Has(answer, 401, "invalid-credential", proxyError: "http_request_denied");
            Assert.Equal("Key realm=\"malha\"", answer.Value("WWW-Authenticate"));
            Assert.False(problem.TryGetProperty("client", out _));
        }
        Assert.Equal(0, origin.Connections);

        // The connection goes on, and the next request on it is judged by itself.
        await using var client = await gateway.ConnectAsync();
        await client.SendAsync(Get(Key("wrong")));
        Assert.Equal(401, (await client.ReadAnswerAsync()).Status);
        await client.SendAsync(Get(Key("key-number-two")));
        Assert.Equal(200, (await client.ReadAnswerAsync()).Status);
        await client.SendAsync(Get());
        Assert.Equal(200, (await client.ReadAnswerAsync()).Status);
    }

    [Fact]
    public async Task Key_does_not_go_on_unless_the_client_says_so()
    {
        await using var origin = ScriptedOrigin.Echoing();
        await using var gateway = TestGateway.Start(File(origin, """
            clients:
              hidden: { apiKey: env:KEY_1 }
              shown: { apiKey: env:KEY_2, forwardCredentials: true }
              secret: { header: { name: X-Secret, value: env:KEY_2 } }
              label: { header: { name: X-Tenant, value: acme } }
            """));
        var echo = WireText.Text((await gateway.AskAsync(Get("A: 1\r\nx-api-KEY: key-number-one\r\nB: 2\r\n"))).Body);
        Assert.DoesNotContain("key", echo, StringComparison.OrdinalIgnoreCase);
        Assert.Contains("A: 1\nB: 2\n", echo, StringComparison.Ordinal);
        echo = WireText.Text((await gateway.AskAsync(Get("A: 1\r\nX-SECRET: key-number-two\r\nB: 2\r\n"))).Body);
        Assert.DoesNotContain("secret", echo, StringComparison.OrdinalIgnoreCase);
        Assert.Contains("A: 1\nB: 2\n", echo, StringComparison.Ordinal);
        Assert.Contains("X-Api-Key: key-number-two\n", WireText.Text((await gateway.AskAsync(Get(Key("key-number-two")))).Body), StringComparison.Ordinal);
        Assert.Contains("X-Tenant: acme\n", WireText.Text((await gateway.AskAsync(Get("X-Tenant: acme\r\n"))).Body), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Key_that_no_client_asks_for_is_none_of_the_gateways_business()
    {
        await using var origin = ScriptedOrigin.Echoing();
        await using var gateway = TestGateway.Start(File(origin, "clients: { anyone: { any: true } }"));
        Assert.Contains("X-Api-Key: of the service\n", WireText.Text((await gateway.AskAsync(Get(Key("of the service")))).Body), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Guessing_gets_slower_and_locks_nobody_out_who_shares_the_address()
    {
        var time = new FakeTimeProvider();
        await using var origin = ScriptedOrigin.Echoing();
        await using var gateway = TestGateway.Start(File(origin, Clients), time);
        await using var client = await gateway.ConnectAsync();
        for (var guess = 0; guess < 20; guess++)
        {
            await client.SendAsync(Get(Key($"guess-{guess}")));
            Assert.Equal(401, (await client.ReadAnswerAsync()).Status);
        }
        await client.SendAsync(Get(Key("guess-20")));
        var answer = await client.ReadAnswerAsync();
        Problem.Has(answer, 429, "credential-failures", limit: 20, unit: "failures");
        Assert.Equal("3", answer.Value("Retry-After"));
        Assert.Equal(0, origin.Connections);
        foreach (var fields in (string[])["", Key("key-number-one")])
        {
            await client.SendAsync(Get(fields));
            Assert.Equal(200, (await client.ReadAnswerAsync()).Status);
        }
        time.Advance(TimeSpan.FromSeconds(3));
        await client.SendAsync(Get(Key("guess-21")));
        Assert.Equal(401, (await client.ReadAnswerAsync()).Status);
    }

    [Fact]
    public async Task Route_for_known_clients_answers_others_401_and_those_that_it_does_not_name_403()
    {
        await using var origin = ScriptedOrigin.Echoing();
        await using var gateway = TestGateway.Start(File(origin, """
            clients:
              billing: { apiKey: env:KEY_1 }
              partner: { apiKey: env:KEY_2 }
              anyone: { any: true }
            """, """
            [ { match: { path: /known }, service: origin, auth: required }, { match: { path: /bills/** }, service: origin, allow: [ billing ] }, { service: origin } ]
            """));
        var answer = await gateway.AskAsync(Get("", "/known"));
        var problem = Problem.Has(answer, 401, "unauthenticated", "routes[0].auth");
        Assert.Equal("anyone", problem.GetProperty("client").GetString());
        Assert.Equal("Key realm=\"malha\"", answer.Value("WWW-Authenticate"));
        Problem.Has(await gateway.AskAsync(Get("", "/bills/7")), 401, "unauthenticated", "routes[1].allow");
        answer = await gateway.AskAsync(Get(Key("key-number-two"), "/bills/7"));
        problem = Problem.Has(answer, 403, "forbidden", "routes[1].allow", proxyError: "http_request_denied");
        Assert.Equal("partner", problem.GetProperty("client").GetString());
        Assert.Null(answer.Value("WWW-Authenticate"));
        Assert.Equal(0, origin.Connections);
        foreach (var (key, path) in ((string, string)[])[("key-number-one", "/bills/7"), ("key-number-two", "/known"), ("key-number-two", "/")])
            Assert.Equal(200, (await gateway.AskAsync(Get(Key(key), path))).Status);
    }

    [Fact]
    public async Task Body_of_a_refused_request_is_not_taken_for_the_next_one()
    {
        await using var origin = ScriptedOrigin.Echoing();
        await using var gateway = TestGateway.Start(File(origin, Clients));
        await using var client = await gateway.ConnectAsync();
        await client.SendAsync("POST / HTTP/1.1\r\nHost: a\r\nX-Api-Key: wrong\r\nContent-Length: 30\r\n\r\nGET /smuggled HTTP/1.1\r\n");
        Assert.Equal(401, (await client.ReadAnswerAsync("POST")).Status);
        Assert.NotEqual(ClientEnd.StillOpen, await client.ReadToEndAsync());
        Assert.Equal(0, origin.Connections);
    }

    [Fact]
    public async Task Malha_fields_of_strangers_are_replaced_and_those_of_a_trusted_Malha_are_believed()
    {
        const string Fields = "Malha-Timeout: 5000\r\nmalha-attempt: 2\r\nMalha-Class: high\r\n";
        await using var origin = ScriptedOrigin.Echoing();
        const string Classes = "classes: { high: { share: 50% }, low: { share: 50% } }";
        foreach (var trusted in (string[])["[]", "[ 127.0.0.0/8 ]"])
        {
            await using var gateway = TestGateway.Start(File(origin, $"trustedMalha: {trusted}\n{Classes}"));
            var lines = WireText.Text((await gateway.AskAsync(Get(Fields + "X-Mine: 1\r\n"))).Body).Split('\n');
            var timeout = int.Parse(Assert.Single(lines, line => line.StartsWith("Malha-Timeout: ", StringComparison.Ordinal))[15..], CultureInfo.InvariantCulture);
            var isTrusted = trusted != "[]";
            Assert.InRange(timeout, isTrusted ? 4_000 : 14_000, isTrusted ? 5_000 : 15_000);
            Assert.Equal(isTrusted ? ["Malha-Attempt: 2"] : Array.Empty<string>(), lines.Where(line => line.StartsWith("Malha-Attempt", StringComparison.OrdinalIgnoreCase)));
            Assert.Equal([isTrusted ? "Malha-Class: high" : "Malha-Class: low"], lines.Where(line => line.StartsWith("Malha-Class", StringComparison.OrdinalIgnoreCase)));
            Assert.Contains("X-Mine: 1", lines);
        }
    }
}
