using System.CommandLine;
using System.Text.Json;
using Malha.Cli.Commands;
using Malha.Tests.Configuration;

namespace Malha.Tests.Cli;

public sealed class CheckCommandTests
{
    private const string Bad = """
        listeners: { edge: { address: 127.0.0.1:0, idelTimeout: 1s } }
        routes: [{ service: web }]
        """;

    [Fact]
    public void A_good_file_ends_with_0_and_says_what_it_has()
    {
        using var directory = new TemporaryDirectory();
        var file = directory.Write("malha.yaml", Yaml.Edge + "services: { a: { endpoints: [127.0.0.1:7001] } }\nroutes: [{ service: a }, { match: { path: /a }, service: a }]");
        Assert.Equal((0, $"{file} is good: 1 listener, 1 service, 2 routes\n", ""), Run(file));
    }

    [Fact]
    public void A_certificate_that_has_expired_is_a_warning_with_its_place()
    {
        using var directory = new TemporaryDirectory();
        foreach (var (name, years) in new[] { ("old", 1), ("good", 50) })
        {
            var (certificate, key) = TestCertificate.Make(name, years);
            directory.Write($"{name}.pem", certificate);
            directory.Write($"{name}.key", key);
        }
        var file = directory.Write("malha.yaml", """
            listeners:
              a: { address: 127.0.0.1:0, tls: { certificate: file:old.pem, key: file:old.key } }
              b: { address: 127.0.0.1:0, tls: { certificate: file:good.pem, key: file:good.key } }
            """);
        var warning = $"{file}:2:50: listeners.a.tls.certificate: the certificate (CN=old) expired on 2021-01-01";
        Assert.Equal((0, $"{file} is good: 2 listeners, 0 services, 0 routes\nwarning: {warning}\n", ""), Run(file));
        using var json = JsonDocument.Parse(Run(file, "--json").Item2);
        Assert.Equal(warning, Assert.Single(json.RootElement.GetProperty("warnings").EnumerateArray()).GetString());
    }

    [Fact]
    public void A_bad_file_ends_with_1_and_lists_everything()
    {
        using var directory = new TemporaryDirectory();
        var file = directory.Write("malha.yaml", Bad);
        var (code, output, error) = Run(file);
        Assert.Equal(1, code);
        Assert.Equal(
            $"""
            {file}:1:44: listeners.edge.idelTimeout: unknown key; did you mean "idleTimeout"? Allowed: address, trustedProxies, maxConnections, headerTimeout, idleTimeout, bodyTimeout, minBodyRate, maxHeaderSize, maxHeaders, tls
            {file}:2:21: routes[0].service: there is no service "web". Allowed: a name that stands under services

            """,
            output);
        Assert.Empty(error);
    }

    [Fact]
    public void A_file_that_cannot_be_read_ends_with_3_and_says_why_on_standard_error()
    {
        var (code, output, error) = Run("/nowhere/malha.yaml");
        Assert.Equal((3, "", "/nowhere/malha.yaml: the file cannot be read: there is no such file\n"), (code, output, error));
    }

    [Fact]
    public void Json_has_the_same_in_fields()
    {
        using var directory = new TemporaryDirectory();
        var file = directory.Write("malha.yaml", Bad);
        var (code, output, _) = Run(file, "--json");
        Assert.Equal(1, code);
        using var json = JsonDocument.Parse(output);
        Assert.False(json.RootElement.GetProperty("good").GetBoolean());
        var first = json.RootElement.GetProperty("errors")[0];
        Assert.Equal(
            (1, 44, "listeners.edge.idelTimeout", "unknown key", "idleTimeout"),
            (first.GetProperty("line").GetInt32(), first.GetProperty("column").GetInt32(), first.GetProperty("path").GetString(),
                first.GetProperty("problem").GetString(), first.GetProperty("suggestion").GetString()));
        Assert.Equal(2, json.RootElement.GetProperty("errors").GetArrayLength());
    }

    [Fact]
    public void Json_of_a_good_file_has_no_errors()
    {
        using var directory = new TemporaryDirectory();
        var (code, output, _) = Run(directory.Write("malha.yaml", Yaml.Edge), "--json");
        Assert.Equal(0, code);
        using var json = JsonDocument.Parse(output);
        Assert.True(json.RootElement.GetProperty("good").GetBoolean());
        Assert.Equal(1, json.RootElement.GetProperty("listeners").GetInt32());
        Assert.Equal(0, json.RootElement.GetProperty("errors").GetArrayLength());
    }

    [Theory]
    [InlineData("--jsn")]
    [InlineData("one.yaml", "two.yaml")]
    [InlineData("")]
    public void A_command_line_that_makes_no_sense_is_told(params string[] arguments) =>
        Assert.NotEmpty(new RootCommand { CheckCommand.Build() }.Parse(["check", .. arguments]).Errors);

    [Fact]
    public void The_schema_command_prints_the_schema()
    {
        var output = new StringWriter();
        var code = SchemaCommand.Build().Parse([]).Invoke(new InvocationConfiguration { Output = output });
        Assert.Equal(0, code);
        using var json = JsonDocument.Parse(output.ToString());
        Assert.Equal("object", json.RootElement.GetProperty("type").GetString());
    }

    private static (int Code, string Output, string Error) Run(params string[] arguments)
    {
        var (output, error) = (new StringWriter(), new StringWriter());
        var code = CheckCommand.Build().Parse(arguments).Invoke(new InvocationConfiguration { Output = output, Error = error });
        return (code, output.ToString(), error.ToString());
    }
}
