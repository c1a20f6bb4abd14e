using Malha.IntegrationTests.Harness;
using Malha.IntegrationTests.Traffic.Support;

namespace Malha.IntegrationTests.Packaging;

/// <summary>The program as a .NET tool, from a folder of packages.</summary>
public sealed class ToolTests : IDisposable
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("malha-tool-");

    public void Dispose() => _folder.Delete(recursive: true);

    [Fact]
    public async Task Tool_is_installed_from_a_folder_and_works()
    {
        var packages = _folder.CreateSubdirectory("packages").FullName;
        var tools = Path.Combine(_folder.FullName, "tools");
        // What the tests were built with, packed as it is.
        var project = Path.Combine(ServiceManagerTests.Repository(), "src", "Malha.Cli", "Malha.Cli.csproj");
        var (code, said) = await ServiceManagerTests.RunAsync("dotnet", "pack", project, "-c", "Release", "--no-build", "-o", packages, "-v", "q", "--nologo");
        Assert.True(code == 0, said);
        // Only this folder: nobody else's package of that name.
        var sources = Path.Combine(_folder.FullName, "nuget.config");
        await File.WriteAllTextAsync(sources, $"<configuration><packageSources><clear /><add key=\"here\" value=\"{packages}\" /></packageSources></configuration>", TestContext.Current.CancellationToken);
        (code, said) = await ServiceManagerTests.RunAsync("dotnet", "tool", "install", "malha", "--tool-path", tools, "--configfile", sources);
        Assert.True(code == 0, said);

        var malha = Path.Combine(tools, "malha");
        var file = Path.Combine(_folder.FullName, "malha.yaml");
        await File.WriteAllTextAsync(file, TestGateway.File("http://127.0.0.1:9", route: "match: { path: /a }"), TestContext.Current.CancellationToken);
        (code, said) = await ServiceManagerTests.RunAsync(malha, "check", file);
        Assert.True(code == 0, said);
        (code, said) = await ServiceManagerTests.RunAsync(malha, "explain", "GET", "http://shop.example/a", "--file", file);
        Assert.True(code == 0, said);
        Assert.Contains("service   origin", said, StringComparison.Ordinal);

        await using var origin = ScriptedOrigin.Echoing();
        await using var running = ChildProcess.Start(malha, ["run", "--upstream", origin.Url, "--listen", "127.0.0.1:0"], new Dictionary<string, string>(),
            line => line.Contains("\"listening\"", StringComparison.Ordinal));
        await running.ReadyAsync(TimeSpan.FromSeconds(60));
        var port = int.Parse(running.Output.Split("127.0.0.1:")[1].Split('"')[0], System.Globalization.CultureInfo.InvariantCulture);
        await using var client = await Peer.ConnectAsync(port);
        await client.SendAsync("GET /through HTTP/1.1\r\nHost: a\r\n\r\n");
        Assert.StartsWith("GET /through\n", WireText.Text((await client.ReadAnswerAsync()).Body), StringComparison.Ordinal);
    }
}
