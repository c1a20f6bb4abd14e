using System.Collections;
using System.Reflection;
using Malha.Configuration;

namespace Malha.Tests.Configuration;

public sealed class ConfigExplainerTests
{
    [Fact]
    public void Each_setting_has_its_value_and_where_it_comes_from()
    {
        var settings = ConfigExplainer.List(Yaml.Good("""
            listeners:
              edge: { address: 127.0.0.1:8080, minBodyRate: off }
            services:
              payments:
                endpoints: [http://127.0.0.1:7001]
                timeout: 2000ms
                maxBody: off
            routes:
              - service: payments
            """)).ToDictionary(setting => setting.Path);
        Assert.Equal(new("listeners.edge.address", "127.0.0.1:8080", "malha.yaml:2:20"), settings["listeners.edge.address"]);
        Assert.Equal(new("listeners.edge.minBodyRate", "off", "malha.yaml:2:49"), settings["listeners.edge.minBodyRate"]);
        Assert.Equal(new("listeners.edge.idleTimeout", "75s", "default (nginx's keepalive_timeout)"), settings["listeners.edge.idleTimeout"]);
        Assert.Equal(new("services.payments.timeout", "2s", "malha.yaml:6:14"), settings["services.payments.timeout"]);
        Assert.Equal(new("services.payments.maxBody", "off", "malha.yaml:7:14"), settings["services.payments.maxBody"]);
        Assert.Equal(new("services.payments.endpoints[0].url", "http://127.0.0.1:7001", "malha.yaml:5:17"), settings["services.payments.endpoints[0].url"]);
        Assert.Equal(new("services.payments.attemptTimeout", "what is left of timeout", "default"), settings["services.payments.attemptTimeout"]);
        Assert.Equal(new("admin", "no admin API", "default"), settings["admin"]);
        Assert.Equal(new("routes[0].service", "payments", "malha.yaml:9:14"), settings["routes[0].service"]);
        Assert.DoesNotContain("routes[0].redirect", settings.Keys);
    }

    [Fact]
    public void A_part_can_be_asked_for()
    {
        var config = Yaml.Good(Yaml.Edge + "services: { a: { endpoints: [127.0.0.1:1] }, ab: { endpoints: [127.0.0.1:2] } }");
        var settings = ConfigExplainer.List(config, "services.a");
        Assert.NotEmpty(settings);
        Assert.All(settings, setting => Assert.StartsWith("services.a.", setting.Path, StringComparison.Ordinal));
        Assert.Equal("15s", Assert.Single(ConfigExplainer.List(config, "services.a.timeout")).Value);
    }

    [Fact]
    public void What_a_command_line_says_has_it_as_origin()
    {
        var settings = ConfigExplainer.List(MalhaConfig.ForUpstream(new Uri("http://127.0.0.1:7001"))).ToDictionary(setting => setting.Path);
        Assert.Equal("--upstream", settings["services.upstream.endpoints[0].url"].Origin);
        Assert.StartsWith("default (", settings["services.upstream.timeout"].Origin, StringComparison.Ordinal);
    }

    [Fact]
    public void Every_default_has_an_origin()
    {
        foreach (var field in typeof(Defaults).GetFields(BindingFlags.Public | BindingFlags.Static))
        {
            var origin = (string?)field.FieldType.GetProperty("Origin")!.GetValue(field.GetValue(null));
            Assert.False(string.IsNullOrWhiteSpace(origin), field.Name);
        }
    }

    [Fact]
    public void A_default_that_is_shown_is_the_one_that_is_in_force()
    {
        using var directory = new TemporaryDirectory();
        var (certificate, key) = TestCertificate.Make("edge.example");
        directory.Write("cert.pem", certificate);
        directory.Write("key.pem", key);
        var explained = ConfigExplainer.List(Yaml.Good("""
            listeners: { edge: { address: 127.0.0.1:8080, tls: { certificate: file:cert.pem, key: file:key.pem } } }
            admin: {}
            limits: { shared: "redis://127.0.0.1" }
            telemetry: { endpoint: "http://127.0.0.1:4318" }
            clients: { a: { apiKey: env:KEY_1, limit: 1/s } }
            classes: { a: { share: 10% } }
            services:
              a: { endpoints: [https://a.example], tls: {}, retry: {}, hedge: {}, breaker: { slow: { over: 1s } }, health: { path: /health, expect: {} } }
              b: { endpoints: [http://b.example], health: { steps: [{ path: / }] } }
            routes: [{ redirect: { to: / } }, { match: { path: /a }, respond: {} }, { match: { path: /b }, service: b, mirror: { service: a } }, { match: { path: /c }, service: b, defer: { when: always } }]
            delivery: { path: data, callbacks: { secrets: env:WEBHOOK_SECRET }, kafka: { bootstrap: "broker:9092", login: { user: malha, password: env:LONG_KEY } } }
            """, directory.Path)).Where(setting => setting.Origin.StartsWith("default (", StringComparison.Ordinal)).ToArray();
        foreach (var field in typeof(Defaults).GetFields(BindingFlags.Public | BindingFlags.Static))
        {
            var value = field.FieldType.GetProperty("Value")!.GetValue(field.GetValue(null));
            var origin = (string)field.FieldType.GetProperty("Origin")!.GetValue(field.GetValue(null))!;
            // Some belong to no key of the file.
            if (field.Name is nameof(Defaults.CredentialFailures) or nameof(Defaults.UpstreamListener) or nameof(Defaults.MinBodyRateGrace) or nameof(Defaults.PooledConnectionIdle))
                continue;
            var setting = explained.FirstOrDefault(setting => setting.Origin == $"default ({origin})");
            Assert.True(setting is not null, field.Name);
            if (value is TimeSpan duration)
                Assert.Equal(Units.Format(duration), setting.Value);
            else if (value is int or string)
                Assert.Equal(value.ToString(), setting.Value);
            else if (field.Name == nameof(Defaults.HealthStatus))
                Assert.Equal("2xx", setting.Value);
            else if (field.Name == nameof(Defaults.CallbackPorts))
                Assert.Equal("443", setting.Value);
            else if (value is IEnumerable)
                Assert.Equal("[]", setting.Value);
        }
    }
}
