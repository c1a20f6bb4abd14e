using System.Net;
using Malha.Configuration;

namespace Malha.Tests.Configuration;

public sealed class MalhaConfigReaderTests
{
    [Fact]
    public void All_keys_of_a_listener_are_read()
    {
        var listener = Yaml.Good("""
            listeners:
              edge:
                address: "[::1]:8443"
                trustedProxies: [10.0.0.0/8, 192.0.2.7, "fd00::/8"]
                maxConnections: 10
                headerTimeout: 1s
                idleTimeout: 2m
                bodyTimeout: 3s
                minBodyRate: 1KiB/s
                maxHeaderSize: 64KiB
                maxHeaders: 50
            """).Listeners["edge"];
        Assert.Equal(
            new ListenerConfig
            {
                Name = "edge",
                Address = ListenAddress.Parse("[::1]:8443"),
                TrustedProxies = [IPNetwork.Parse("10.0.0.0/8"), IPNetwork.Parse("192.0.2.7/32"), IPNetwork.Parse("fd00::/8")],
                MaxConnections = 10,
                HeaderTimeout = TimeSpan.FromSeconds(1),
                IdleTimeout = TimeSpan.FromMinutes(2),
                BodyTimeout = TimeSpan.FromSeconds(3),
                MinBodyRate = 1024,
                MaxHeaderSize = 65536,
                MaxHeaders = 50,
            },
            listener);
    }

    [Fact]
    public void All_keys_of_a_service_are_read()
    {
        var service = Yaml.Good(Yaml.Edge + """
            services:
              payments:
                endpoints: [http://127.0.0.1:7001, payments.example:7002, { url: https://payments.example, weight: 3 }]
                balance: round-robin
                timeout: 2s
                attemptTimeout: 800ms
                connectTimeout: 1s
                idleTimeout: 30s
                maxConnections: 100
                maxPending: 0
                maxBody: off
                maxDuration: 48h
                maxStreams: 7
                tls: { serverName: Payments.Example, verify: false }
            """).Services["payments"];
        Assert.Equal(
            new ServiceConfig
            {
                Name = "payments",
                Endpoints =
                [
                    new() { Url = new Uri("http://127.0.0.1:7001") },
                    new() { Url = new Uri("http://payments.example:7002") },
                    new() { Url = new Uri("https://payments.example:443"), Weight = 3 },
                ],
                Balance = BalanceKind.RoundRobin,
                Timeout = TimeSpan.FromSeconds(2),
                AttemptTimeout = TimeSpan.FromMilliseconds(800),
                ConnectTimeout = TimeSpan.FromSeconds(1),
                IdleTimeout = TimeSpan.FromSeconds(30),
                MaxConnections = 100,
                MaxPending = 0,
                MaxBody = null,
                MaxDuration = TimeSpan.FromHours(48),
                MaxStreams = 7,
                Tls = new() { ServerName = "payments.example", Verify = false },
            },
            service);
    }

    [Fact]
    public void All_keys_of_routes_are_read()
    {
        var config = Yaml.Good(Yaml.Edge + """
            services: { payments: { endpoints: [127.0.0.1:7001] } }
            routes:
              - name: pay
                match:
                  host: "*.Shop.example"
                  path: /users/{id}/orders/*
                  methods: [GET, PROPFIND]
                  headers: { X-Version: 2, X-Beta: { present: true }, X-Old: { present: false }, Accept: { prefix: text/ }, X-E: { exact: e } }
                  query: { Debug: "true" }
                service: payments
                headers:
                  request: { remove: [X-Secret], set: { Host: internal.example, X-A: a }, add: { Via-Too: [a, b] } }
                  response: { remove: [Server], set: { Cache-Control: no-store }, add: { Set-Cookie: a=b } }
                timeout: 1s
                attemptTimeout: 500ms
                bufferRequests: 64KiB
              - match: { path: /old/** }
                redirect: { to: "https://{host}/new{path}{query}", status: 308 }
              - match: { path: /health }
                respond: { status: 203, body: fine, contentType: text/html, headers: { X-B: b } }
            """);
        var route = config.Routes[0];
        Assert.Equal(("pay", "payments", "*.shop.example"), (route.Name, route.Service, route.Match.Host));
        Assert.Equal(PathPattern.Parse("/users/{id}/orders/*"), route.Match.Path);
        Assert.Equal(["GET", "PROPFIND"], route.Match.Methods);
        Assert.Equal(
            (ConfigDictionary<ValueMatchConfig>)
            [
                new("x-version", new() { Text = "2" }),
                new("x-beta", new() { Kind = ValueMatchKind.Present }),
                new("x-old", new() { Kind = ValueMatchKind.Absent }),
                new("accept", new() { Kind = ValueMatchKind.Prefix, Text = "text/" }),
                new("x-e", new() { Text = "e" }),
            ],
            route.Match.Headers);
        Assert.Equal((ConfigDictionary<ValueMatchConfig>)[new("Debug", new() { Text = "true" })], route.Match.Query);
        Assert.Equal(
            new HeaderEditConfig
            {
                Remove = ["x-secret"],
                Set = [Field("Host", "internal.example"), Field("X-A", "a")],
                Add = [Field("Via-Too", "a"), Field("Via-Too", "b")],
            },
            route.Headers.Request);
        Assert.Equal(
            new HeaderEditConfig { Remove = ["server"], Set = [Field("Cache-Control", "no-store")], Add = [Field("Set-Cookie", "a=b")] },
            route.Headers.Response);
        Assert.Equal((TimeSpan.FromSeconds(1), TimeSpan.FromMilliseconds(500), 65536L), (route.Timeout, route.AttemptTimeout, route.BufferRequests));

        Assert.Equal("https://{host}/new{path}{query}", config.Routes[1].Redirect!.To.Text);
        Assert.Equal(308, config.Routes[1].Redirect!.Status);
        Assert.Equal(
            new FixedAnswerConfig { Status = 203, Body = "fine", ContentType = "text/html", Headers = [Field("X-B", "b")] },
            config.Routes[2].Respond);
    }

    [Fact]
    public void Admin_and_access_log_are_read()
    {
        var config = Yaml.Good(Yaml.Edge + """
            admin: { address: localhost:9701, allowedHosts: [Admin.example] }
            accessLog: { format: json, sample: 25% }
            """);
        Assert.Equal(new AdminConfig { Address = ListenAddress.Parse("localhost:9701"), AllowedHosts = ["admin.example"] }, config.Admin);
        Assert.Equal(new AccessLogConfig { Format = AccessLogFormat.Json, Sample = 0.25 }, config.AccessLog);
    }

    [Fact]
    public void Absent_keys_have_their_defaults()
    {
        var config = Yaml.Good(Yaml.Edge + "services: { a: { endpoints: [127.0.0.1:7001] } }\nroutes: [{ service: a }]");
        Assert.Null(config.Admin);
        Assert.Equal(new AccessLogConfig(), config.AccessLog);
        Assert.Equal(new ServiceConfig { Name = "a", Endpoints = config.Services["a"].Endpoints }, config.Services["a"]);
        Assert.Equal(new RouteConfig { Service = "a" }, config.Routes[0]);
        Assert.Equal(PathPattern.Everything, config.Routes[0].Match.Path);
        Assert.Equal(TimeSpan.FromSeconds(15), config.Services["a"].Timeout);
    }

    [Fact]
    public void Anchors_aliases_and_merge_keys_are_followed()
    {
        var config = Yaml.Good(Yaml.Edge + """
            services:
              a: &base
                endpoints: [127.0.0.1:7001]
                timeout: &short 1s
                maxPending: 3
              b:
                <<: *base
                timeout: 2s
              c:
                <<: [{ maxPending: 4 }, *base]
                attemptTimeout: *short
            """);
        Assert.Equal(config.Services["a"] with { Name = "b", Timeout = TimeSpan.FromSeconds(2) }, config.Services["b"]);
        Assert.Equal(config.Services["a"] with { Name = "c", MaxPending = 4, AttemptTimeout = TimeSpan.FromSeconds(1) }, config.Services["c"]);
    }

    [Fact]
    public void Text_may_hold_anything_that_yaml_can_say()
    {
        var config = Yaml.Good(Yaml.Edge + """
            routes:
              - match: { path: /a, headers: { X: "null" } }
                respond:
                  body: |
                    one
                    two
              - match: { path: /b }
                respond: { body: "\u0000\u2028é😀" }
              - match: { path: /c }
                respond: { body: true }
            """);
        Assert.Equal("one\ntwo\n", config.Routes[0].Respond!.Body);
        Assert.Equal("null", config.Routes[0].Match.Headers["x"].Text);
        Assert.Equal("\0\u2028é😀", config.Routes[1].Respond!.Body);
        Assert.Equal("true", config.Routes[2].Respond!.Body);
    }

    [Theory]
    [InlineData("\ufeff")]
    [InlineData("%YAML 1.2\n---\n")]
    public void A_byte_order_mark_and_a_directive_do_no_harm(string before) => Yaml.Good(before + Yaml.Edge);

    [Fact]
    public void Carriage_returns_do_no_harm() => Yaml.Good(Yaml.Edge.ReplaceLineEndings("\r\n") + "accessLog:\r\n  format: json\r\n");

    [Fact]
    public void The_certificates_of_a_service_are_read_and_their_content_counts()
    {
        using var directory = new TemporaryDirectory();
        var (certificate, key) = TestCertificate.Make("payments");
        directory.Write("cert.pem", certificate);
        directory.Write("key.pem", key);
        directory.Write("ca.pem", certificate);
        const string file = Yaml.Edge + """
            services:
              payments:
                endpoints: [https://payments.example]
                tls: { ca: file:ca.pem, certificate: file:cert.pem, key: file:key.pem }
            """;
        var before = Yaml.Good(file, directory.Path);
        var tls = before.Services["payments"].Tls!;
        Assert.Equal(Path.Combine(directory.Path, "cert.pem"), tls.Certificate!.Path);
        Assert.Equal(before, Yaml.Good(file, directory.Path));

        directory.Write("ca.pem", TestCertificate.Make("another").Certificate);
        Assert.NotEqual(before, Yaml.Good(file, directory.Path));
    }

    [Fact]
    public void Certificates_of_the_wrong_kind_are_errors()
    {
        using var directory = new TemporaryDirectory();
        var (certificate, key) = TestCertificate.Make("payments");
        var (_, otherKey) = TestCertificate.Make("another");
        directory.Write("cert.pem", certificate);
        directory.Write("key.pem", key);
        directory.Write("other.pem", otherKey);
        directory.Write("encrypted.pem", "-----BEGIN ENCRYPTED PRIVATE KEY-----\n-----END ENCRYPTED PRIVATE KEY-----\n");
        string Error(string tls) => Yaml.Error(Yaml.Edge + $"services: {{ a: {{ endpoints: [https://a.example], tls: {{ {tls} }} }} }}", directory.Path);

        Assert.Contains("tls.ca: the file \"key.pem\" holds no PEM certificate", Error("ca: file:key.pem"), StringComparison.Ordinal);
        Assert.Contains("tls.key: the file \"cert.pem\" holds no PEM private key", Error("certificate: file:cert.pem, key: file:cert.pem"), StringComparison.Ordinal);
        Assert.Contains("holds an encrypted key", Error("certificate: file:cert.pem, key: file:encrypted.pem"), StringComparison.Ordinal);
        Assert.Contains("tls.key: the key is not the key of certificate", Error("certificate: file:cert.pem, key: file:other.pem"), StringComparison.Ordinal);
        Assert.Contains("tls.certificate: a certificate needs its private key", Error("certificate: file:cert.pem"), StringComparison.Ordinal);
        Assert.Contains("tls.key: a private key needs its certificate", Error("key: file:key.pem"), StringComparison.Ordinal);
        Assert.Contains("tls.ca: with verify: false nothing is checked against ca", Error("ca: file:cert.pem, verify: false"), StringComparison.Ordinal);
        Assert.Contains("tls.ca: a file is written file:PATH", Error("ca: cert.pem"), StringComparison.Ordinal);
    }

    [Fact]
    public void Certificates_of_a_listener_in_their_short_and_in_their_long_form_are_the_same()
    {
        using var directory = new TemporaryDirectory();
        var (certificate, key) = TestCertificate.Make("edge.example");
        directory.Write("cert.pem", certificate);
        directory.Write("key.pem", key);
        MalhaConfig Read(string tls) => Yaml.Good($"listeners: {{ a: {{ address: 127.0.0.1:0, tls: {{ {tls} }} }} }}", directory.Path);
        var brief = Read("certificate: file:cert.pem, key: file:key.pem");
        Assert.Equal(brief, Read("key: file:key.pem, certificate: file:cert.pem"));
        Assert.Equal(brief, Read("certificates: [{ certificate: file:cert.pem, key: file:key.pem }]"));
        Assert.Equal([Path.Combine(directory.Path, "cert.pem"), Path.Combine(directory.Path, "key.pem")], brief.Files().Select(file => file.Path));

        directory.Write("key.pem", key + "\n");
        Assert.NotEqual(brief, Read("certificate: file:cert.pem, key: file:key.pem"));
    }

    [Fact]
    public void Certificates_of_a_listener_that_are_not_good_are_errors_at_their_places()
    {
        using var directory = new TemporaryDirectory();
        var (certificate, key) = TestCertificate.Make("edge.example");
        directory.Write("cert.pem", certificate);
        directory.Write("key.pem", key);
        directory.Write("other.pem", TestCertificate.Make("another").Key);
        directory.Write("text.pem", "a text\n");
        string Error(string tls) => Yaml.Error($"listeners: {{ a: {{ address: 127.0.0.1:0, tls: {{ {tls} }} }} }}", directory.Path);

        Assert.StartsWith("malha.yaml:1:81: listeners.a.tls.key: the key is not the key of certificate", Error("certificate: file:cert.pem, key: file:other.pem"), StringComparison.Ordinal);
        Assert.StartsWith("malha.yaml:1:61: listeners.a.tls.certificate: the file \"text.pem\" holds no PEM certificate", Error("certificate: file:text.pem, key: file:key.pem"), StringComparison.Ordinal);
        Assert.StartsWith("malha.yaml:1:81: listeners.a.tls.key: the file \"text.pem\" holds no PEM private key", Error("certificate: file:cert.pem, key: file:text.pem"), StringComparison.Ordinal);
        Assert.Contains("listeners.a.tls.key: the file \"absent.pem\" cannot be read: there is no such file", Error("certificate: file:cert.pem, key: file:absent.pem"), StringComparison.Ordinal);
        Assert.Contains("listeners.a.tls.clientCa: the file \"key.pem\" holds no PEM certificate", Error("certificate: file:cert.pem, key: file:key.pem, clientCa: file:key.pem"), StringComparison.Ordinal);
        Assert.Contains("listeners.a.tls.certificate: a certificate needs its private key", Error("certificate: file:cert.pem"), StringComparison.Ordinal);
        Assert.Contains("listeners.a.tls.key: a private key needs its certificate", Error("key: file:key.pem"), StringComparison.Ordinal);
        Assert.Contains("listeners.a.tls: TLS needs a certificate", Error("minVersion: TLSv1.3"), StringComparison.Ordinal);
        const string Pair = "{ certificate: file:cert.pem, key: file:key.pem }";
        Assert.Contains("listeners.a.tls.certificate: certificate and key are the short form", Error($"certificate: file:cert.pem, key: file:key.pem, certificates: [ {Pair} ]"), StringComparison.Ordinal);
        Assert.Contains("listeners.a.tls.certificates[1].certificate: the certificate names no host", Error($"certificates: [ {Pair}, {Pair} ]"), StringComparison.Ordinal);
        Assert.Contains("listeners.a.tls.certificates[1].key: the key is not the key of certificate",
            Error($"certificates: [ {Pair}, {{ certificate: file:cert.pem, key: file:other.pem }} ]"), StringComparison.Ordinal);
    }

    [Fact]
    public void A_file_that_cannot_be_read_is_told_from_a_bad_one()
    {
        using var directory = new TemporaryDirectory();
        var absent = MalhaConfigReader.ReadFile(Path.Combine(directory.Path, "absent.yaml"));
        Assert.True(absent.IsUnreadable);
        Assert.EndsWith("absent.yaml: the file cannot be read: there is no such file", Assert.Single(absent.Errors).ToString(), StringComparison.Ordinal);
        Assert.True(MalhaConfigReader.ReadFile(directory.Path).IsUnreadable);
        Assert.False(MalhaConfigReader.ReadFile(directory.Write("empty.yaml", "")).IsUnreadable);
    }

    [Fact]
    public void A_file_that_is_not_utf8_is_an_error_with_its_place()
    {
        using var directory = new TemporaryDirectory();
        string Error(params byte[] content)
        {
            var error = Assert.Single(MalhaConfigReader.ReadFile(directory.Write("malha.yaml", content)).Errors);
            return $"{error.Line}:{error.Column}: {error.Problem}";
        }

        Assert.Equal("2:4: the file is not UTF-8 here (byte 0xE9); save it as UTF-8", Error([.. "a: 1\nb: "u8, 0xe9, .. "t\u00e9\n"u8]));
        Assert.Equal("1:4: the file is not UTF-8 here (byte 0xC3); save it as UTF-8", Error([.. "a: "u8, 0xc3]));
        Assert.Equal("1:1: the file is UTF-16; save it as UTF-8", Error(0xff, 0xfe, 0x61, 0x00));
    }

    [Fact]
    public void A_file_that_is_too_large_is_an_error()
    {
        using var directory = new TemporaryDirectory();
        var path = directory.Write("malha.yaml", "# " + new string('x', MalhaConfigReader.MaxFileBytes));
        Assert.Equal("the file is larger than 16 MiB", Assert.Single(MalhaConfigReader.ReadFile(path).Errors).Problem);
    }

    private static HeaderConfig Field(string name, string value) => new() { Name = name, Value = value };
}
