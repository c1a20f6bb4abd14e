using System.Net;
using System.Net.NetworkInformation;
using System.Net.Sockets;
using System.Text.Json;

namespace Malha.IntegrationTests.Admin;

public sealed class AdminGateTests
{
    private const string Routes = "routes: [ { match: { path: /** }, respond: { status: 204 } } ]\n";

    // PORT stands for the port of the admin API, TOKEN for the token in force.
    [Theory]
    // Reading on loopback is free.
    [InlineData("GET", "/api/v1/config", "127.0.0.1:PORT", null, null, 200)]
    [InlineData("GET", "/metrics", "localhost:PORT", null, null, 200)]
    [InlineData("GET", "/metrics", "LOCALHOST", null, null, 200)]
    [InlineData("GET", "/metrics", "[::1]:PORT", null, null, 200)]
    [InlineData("GET", "/metrics", "127.0.0.2", null, null, 200)]
    [InlineData("GET", "/metrics", "admin.internal:PORT", null, null, 200)]
    // A name that was rebound to our address is not ours.
    [InlineData("GET", "/api/v1/config", "evil.example:PORT", null, null, 403)]
    [InlineData("GET", "/metrics", "localhost.evil.example", null, null, 403)]
    [InlineData("GET", "/metrics", "127.0.0.1.evil.example", null, null, 403)]
    [InlineData("GET", "/metrics", "10.9.8.7", null, null, 403)]
    [InlineData("GET", "/api/v1/openapi.json", "evil.example", null, "TOKEN", 403)]
    [InlineData("GET", "/no/such/thing", "evil.example", null, null, 403)]
    // Pages of other origins.
    [InlineData("GET", "/api/v1/config", "127.0.0.1:PORT", "http://127.0.0.1:PORT", null, 200)]
    [InlineData("GET", "/api/v1/config", "127.0.0.1:PORT", "http://evil.example", null, 403)]
    [InlineData("GET", "/api/v1/config", "127.0.0.1:PORT", "http://127.0.0.1:1", null, 403)]
    [InlineData("GET", "/api/v1/config", "127.0.0.1:PORT", "https://127.0.0.1:PORT", null, 403)]
    [InlineData("GET", "/api/v1/config", "127.0.0.1:PORT", "null", null, 403)]
    [InlineData("POST", "/api/v1/config/reload", "127.0.0.1:PORT", "http://evil.example", "TOKEN", 403)]
    // Probes know neither our names nor the token.
    [InlineData("GET", "/livez", "evil.example", null, null, 200)]
    [InlineData("GET", "/readyz", "evil.example", "http://evil.example", null, 200)]
    [InlineData("POST", "/readyz", "evil.example", null, null, 403)]
    // Writing needs the token.
    [InlineData("POST", "/api/v1/config/reload", "127.0.0.1:PORT", null, null, 401)]
    [InlineData("POST", "/api/v1/config/reload", "127.0.0.1:PORT", null, "wrong", 401)]
    [InlineData("POST", "/api/v1/config/reload", "127.0.0.1:PORT", null, "", 401)]
    [InlineData("POST", "/api/v1/config/reload", "127.0.0.1:PORT", null, "TOKENx", 401)]
    [InlineData("POST", "/api/v1/config/reload", "127.0.0.1:PORT", null, "TOKEN", 200)]
    [InlineData("POST", "/api/v1/config/reload", "127.0.0.1:PORT", "http://127.0.0.1:PORT", "TOKEN", 200)]
    [InlineData("DELETE", "/api/v1/services", "127.0.0.1:PORT", null, null, 401)]
    [InlineData("DELETE", "/api/v1/services", "127.0.0.1:PORT", null, "TOKEN", 405)]
    public async Task The_gate_asks_for_host_origin_and_token(string method, string path, string host, string? origin, string? token, int status)
    {
        await using var gateway = await RunningGateway.StartAsync(Routes, "{ address: 127.0.0.1:0, allowedHosts: [ admin.internal ] }");
        string Fill(string text) => text.Replace("PORT", gateway.Role.Server!.Address.Port.ToString(System.Globalization.CultureInfo.InvariantCulture), StringComparison.Ordinal)
            .Replace("TOKEN", gateway.Token, StringComparison.Ordinal);
        using var request = new HttpRequestMessage(new HttpMethod(method), gateway.Admin + path);
        request.Headers.Host = Fill(host);
        if (origin is not null)
            request.Headers.TryAddWithoutValidation("Origin", Fill(origin));
        if (token is not null)
            request.Headers.TryAddWithoutValidation("Authorization", "Bearer " + Fill(token));

        using var response = await gateway.Client.SendAsync(request, TestContext.Current.CancellationToken);
        Assert.Equal(status, (int)response.StatusCode);
        if (status >= 400)
        {
            Assert.Equal("application/problem+json", response.Content.Headers.ContentType?.MediaType);
            var problem = JsonDocument.Parse(await response.Content.ReadAsStringAsync(TestContext.Current.CancellationToken)).RootElement;
            Assert.Equal(status, problem.GetProperty("status").GetInt32());
            Assert.StartsWith("urn:malha:problem:", problem.GetProperty("type").GetString());
        }
        Assert.Equal(status == 401, response.Headers.WwwAuthenticate.Count > 0);
    }

    [Fact]
    public async Task From_another_machine_everything_but_probes_needs_the_token()
    {
        var address = OtherAddress();
        Assert.SkipWhen(address is null, "this machine has no address but loopback");
        await using var gateway = await RunningGateway.StartAsync(Routes, "{ address: \"*:0\", token: env:ADMIN_TOKEN }");
        var admin = $"http://{address}:{gateway.Role.Server!.Address.Port}";
        async Task<HttpStatusCode> Ask(string path, string? token = null)
        {
            using var request = new HttpRequestMessage(HttpMethod.Get, admin + path);
            if (token is not null)
                request.Headers.Authorization = new("Bearer", token);
            using var response = await gateway.Client.SendAsync(request, TestContext.Current.CancellationToken);
            return response.StatusCode;
        }

        Assert.Equal(HttpStatusCode.OK, await Ask("/livez"));
        Assert.Equal(HttpStatusCode.OK, await Ask("/readyz"));
        foreach (var path in (string[])["/metrics", "/api/v1/config", "/api/v1/openapi.json", "/api/v1/events", "/nothing"])
        {
            Assert.Equal(HttpStatusCode.Unauthorized, await Ask(path));
            Assert.Equal(HttpStatusCode.Unauthorized, await Ask(path, "wrong"));
        }
        Assert.Equal(HttpStatusCode.OK, await Ask("/metrics", "the-configured-token"));
    }

    [Fact]
    public async Task The_tokens_file_is_for_its_owner_alone_and_ends_with_the_gateway()
    {
        string path;
        await using (var gateway = await RunningGateway.StartAsync(Routes))
        {
            path = gateway.Role.Server!.TokenFile!;
            Assert.Equal(ControlPlane.Api.AdminTokenFile.PathFor(gateway.Role.Server.Address.Port), path);
            Assert.Equal(43, gateway.Token.Length);
            if (!OperatingSystem.IsWindows())
                Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(path));
            var line = gateway.Log().Single(entry => entry.GetProperty("event").GetString() == "listening" && entry.GetProperty("listener").GetString() == "admin");
            Assert.Equal(path, line.GetProperty("tokenFile").GetString());
        }
        Assert.False(File.Exists(path));
    }

    [Fact]
    public async Task A_link_in_the_way_of_the_tokens_file_is_replaced_and_not_followed()
    {
        var directory = Directory.CreateTempSubdirectory("malha-link-");
        var target = Path.Combine(directory.FullName, "target");
        var link = Path.Combine(directory.FullName, "admin-1.token");
        await File.WriteAllTextAsync(target, "precious", TestContext.Current.CancellationToken);
        File.CreateSymbolicLink(link, target);
        using (var file = ControlPlane.Api.AdminTokenFile.Write(link, out var problem))
        {
            Assert.Null(problem);
            Assert.True(file!.Token.Matches(await File.ReadAllTextAsync(link, TestContext.Current.CancellationToken)));
        }
        Assert.Equal("precious", await File.ReadAllTextAsync(target, TestContext.Current.CancellationToken));
        directory.Delete(recursive: true);
    }

    private static IPAddress? OtherAddress() => NetworkInterface.GetAllNetworkInterfaces()
        .Where(card => card.OperationalStatus == OperationalStatus.Up)
        .SelectMany(card => card.GetIPProperties().UnicastAddresses)
        .Select(address => address.Address)
        .FirstOrDefault(address => address.AddressFamily == AddressFamily.InterNetwork && !IPAddress.IsLoopback(address));
}
