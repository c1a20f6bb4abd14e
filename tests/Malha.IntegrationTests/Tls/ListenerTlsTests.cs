using System.Net.Security;
using System.Security.Authentication;
using Malha.IntegrationTests.Harness;
using Malha.IntegrationTests.Traffic.Support;
using Malha.Proxy.Tls;
using Microsoft.Extensions.Time.Testing;

namespace Malha.IntegrationTests.Tls;

/// <summary>TLS in front: which certificate a client gets, what is spoken, and what becomes of those who do not speak it.</summary>
public sealed class ListenerTlsTests : IDisposable
{
    private readonly TestPki _pki = new();

    public void Dispose() => _pki.Dispose();

    [Fact]
    public async Task Requests_over_tls_reach_the_service_with_https_as_their_scheme()
    {
        await using var origin = ScriptedOrigin.Echoing();
        await using var gateway = Gateway(origin);
        await using var client = await gateway.SecureAsync();
        var seen = WireText.Text((await client.AskAsync()).Body);
        Assert.Contains("X-Forwarded-Proto: https\n", seen, StringComparison.Ordinal);
        Assert.Contains("Forwarded: for=127.0.0.1;proto=https;host=\"shop.example\"\n", seen, StringComparison.Ordinal);
        Assert.Equal(SslProtocols.Tls13, client.Stream.SslProtocol);
        Assert.Equal(1, gateway.Host.Listeners.First().Handshakes.Completed(SslProtocols.Tls13));
    }

    [Fact]
    public async Task Bodies_of_all_sizes_pass_both_ways_on_one_connection()
    {
        await using var origin = ScriptedOrigin.Answering(request => ScriptedOrigin.Answer(WireText.Text(request.Body)));
        await using var gateway = Gateway(origin);
        await using var client = await gateway.SecureAsync();
        foreach (var size in new[] { 0, 1, 1_900, 2_048, 3_000, 16_383, 16_384, 16_385, 70_000, 300_000, 2_000_000, 5 })
        {
            var body = BodyPattern.Bytes(7, size);
            await client.Peer.SendAsync($"POST /{size} HTTP/1.1\r\nHost: a\r\nContent-Length: {size}\r\n\r\n");
            await client.Peer.SendAsync(body);
            Assert.Equal(BodyPattern.HashOf(body), BodyPattern.HashOf((await client.Peer.ReadAnswerAsync()).Body));
        }
        Assert.Equal(1, gateway.Host.Listeners.First().Accepted);
    }

    [Fact]
    public async Task Many_requests_in_one_record_and_one_request_in_many_are_all_answered()
    {
        await using var origin = ScriptedOrigin.Answering(request => ScriptedOrigin.Answer(request.Target));
        await using var gateway = Gateway(origin);
        await using var client = await gateway.SecureAsync();
        await client.Peer.SendAsync(string.Concat(Enumerable.Range(0, 50).Select(number => $"GET /{number} HTTP/1.1\r\nHost: a\r\n\r\n")));
        for (var number = 0; number < 50; number++)
            Assert.Equal($"/{number}", WireText.Text((await client.Peer.ReadAnswerAsync()).Body));
        foreach (var letter in "GET /slow HTTP/1.1\r\nHost: a\r\n\r\n")
            await client.Peer.SendAsync(letter.ToString());
        Assert.Equal("/slow", WireText.Text((await client.Peer.ReadAnswerAsync()).Body));
    }

    [Theory]
    [InlineData("one.example", "one.example")]
    [InlineData("ONE.example", "one.example")]
    [InlineData("two.example", "two.example")]
    [InlineData("a.wild.example", "*.wild.example")]
    [InlineData("exact.wild.example", "exact.wild.example")]
    [InlineData("a.b.wild.example", "one.example")]
    [InlineData("wild.example", "one.example")]
    [InlineData("stranger.example", "one.example")]
    [InlineData("", "one.example")]
    public async Task Client_gets_the_certificate_of_the_host_that_it_asks_for(string host, string expected)
    {
        string[] names = ["one.example", "*.wild.example", "two.example", "exact.wild.example"];
        var files = names.Select((name, index) =>
        {
            using var certificate = _pki.Issue(name);
            return $"{{ {_pki.Files(certificate, $"c{index}")} }}";
        }).ToArray();
        await using var origin = ScriptedOrigin.Echoing();
        await using var gateway = TestGateway.Before(origin, listener: $"tls: {{ certificates: [ {string.Join(", ", files)} ] }}");
        await using var client = await gateway.SecureAsync(host);
        Assert.Equal(expected, client.ShownName);
        Assert.Equal(200, (await client.AskAsync()).Status);
    }

    [Fact]
    public async Task Curl_verifies_and_speaks_the_version_that_it_asks_for()
    {
        Assert.SkipUnless(File.Exists("/usr/bin/curl"), "curl is not installed");
        await using var origin = ScriptedOrigin.Answering(_ => ScriptedOrigin.Answer("hello"));
        await using var gateway = Gateway(origin);
        foreach (var (version, spoken) in new[] { ("--http2 --tlsv1.3", "2"), ("--http2 --tls-max 1.2", "2"), ("--http1.1", "1.1") })
        {
            var (code, output, errors) = await OtherProgram.RunAsync(
                "/usr/bin/curl", ["-sS", .. version.Split(' '), "--cacert", _pki.Ca, "-w", " %{http_version} %{ssl_verify_result}", $"https://localhost:{gateway.Port}/a", $"https://localhost:{gateway.Port}/b"]);
            Assert.True(code == 0, errors);
            Assert.Equal($"hello {spoken} 0hello {spoken} 0", output);
        }
    }

    [Fact]
    public async Task Session_is_resumed_in_tls_1_3()
    {
        Assert.SkipUnless(File.Exists("/usr/bin/openssl"), "openssl is not installed");
        await using var origin = ScriptedOrigin.Answering(_ => ScriptedOrigin.Answer("hello"));
        await using var gateway = Gateway(origin);
        var ticket = _pki.PathOf("ticket");
        string[] arguments = ["s_client", "-connect", $"127.0.0.1:{gateway.Port}", "-servername", "localhost", "-CAfile", _pki.Ca, "-ign_eof"];
        const string Request = "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
        var (_, first, _) = await OtherProgram.RunAsync("/usr/bin/openssl", [.. arguments, "-sess_out", ticket], Request);
        Assert.Contains("New, TLSv1.3", first, StringComparison.Ordinal);
        var (_, second, _) = await OtherProgram.RunAsync("/usr/bin/openssl", [.. arguments, "-sess_in", ticket], Request);
        Assert.Contains("Reused, TLSv1.3", second, StringComparison.Ordinal);
        Assert.Contains("hello", second, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Tls_1_2_is_spoken_with_authenticated_ciphers_only_and_not_below_min_version()
    {
        Assert.SkipUnless(File.Exists("/usr/bin/openssl"), "openssl is not installed");
        await using var origin = ScriptedOrigin.Echoing();
        await using var gateway = Gateway(origin);
        Assert.Contains("ECDHE-ECDSA-AES128-GCM-SHA256", await HelloAsync(gateway, "-tls1_2"), StringComparison.Ordinal);
        Assert.Contains("handshake failure", await HelloAsync(gateway, "-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-SHA256:ECDHE-ECDSA-AES256-SHA"), StringComparison.Ordinal);
        Assert.Contains("alert protocol version", await HelloAsync(gateway, "-tls1_1", "-cipher", "DEFAULT:@SECLEVEL=0"), StringComparison.Ordinal);

        await using var strict = Gateway(origin, ", minVersion: TLSv1.3");
        Assert.Contains("alert protocol version", await HelloAsync(strict, "-tls1_2"), StringComparison.Ordinal);
        Assert.Contains("TLS_AES_", await HelloAsync(strict, "-tls1_3"), StringComparison.Ordinal);
        var handshakes = strict.Host.Listeners.First().Handshakes;
        await Eventually.HoldsAsync(() => handshakes.Failed(HandshakeFailure.Version) == 1, handshakes.LastFailure ?? "a failure is counted");
    }

    [Fact]
    public async Task Hello_that_was_shortened_to_1_2_on_its_way_is_told_as_a_downgrade()
    {
        await using var origin = ScriptedOrigin.Echoing();
        await using var gateway = Gateway(origin);
        await using var client = await gateway.ConnectAsync();
        // A hello of TLS 1.2 that names no other version: ECDHE_ECDSA with AES-128-GCM, P-256, ecdsa_secp256r1_sha256.
        await client.SendAsync(Convert.FromHexString(
            "160301003F0100003B0303" + new string('0', 64) + "00" + "0002C02B" + "0100" + "0010" + "000A000400020017" + "000D000400020403"));
        // Record and handshake headers, version, then the server's random with the sentinel of RFC 8446, 4.1.3 in its last eight bytes.
        var hello = await client.ReadAsync(5 + 4 + 2 + 32);
        Assert.Equal(0x16, hello[0]);
        Assert.Equal("444F574E47524401", Convert.ToHexString(hello.AsSpan(^8..)));
    }

    [Fact]
    public async Task Application_protocol_is_agreed_on_and_an_unknown_one_refused()
    {
        await using var origin = ScriptedOrigin.Echoing();
        await using var gateway = Gateway(origin);
        await using var client = await TlsClient.ConnectAsync(gateway.Port, speaks: [new SslApplicationProtocol("spdy/3"), SslApplicationProtocol.Http11]);
        Assert.Equal(SslApplicationProtocol.Http11, client.Stream.NegotiatedApplicationProtocol);
        await Assert.ThrowsAnyAsync<Exception>(() => TlsClient.ConnectAsync(gateway.Port, speaks: [new SslApplicationProtocol("spdy/3")]));
    }

    [Fact]
    public async Task Http_in_clear_is_told_what_the_port_speaks_and_the_connection_ends_in_order()
    {
        await using var origin = ScriptedOrigin.Echoing();
        await using var gateway = Gateway(origin);
        await using var client = await gateway.ConnectAsync();
        await client.SendAsync("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        var answer = await client.ReadAnswerAsync();
        Assert.Equal(400, answer.Status);
        Assert.Contains("urn:malha:problem:tls-required", WireText.Text(answer.Body), StringComparison.Ordinal);
        Assert.Equal(ClientEnd.Closed, await client.ReadToEndAsync());

        await using var other = await gateway.ConnectAsync();
        await other.SendAsync("\0\u0001\u0002\u0003");
        Assert.Equal(ClientEnd.Closed, await other.ReadToEndAsync());
        Assert.Equal(0, other.Unread.Length);
        Assert.Equal(0, origin.Connections);
        var handshakes = gateway.Host.Listeners.First().Handshakes;
        await Eventually.HoldsAsync(() => handshakes.Failed(HandshakeFailure.NotTls) == 2, "both are counted");
    }

    [Fact]
    public async Task Handshake_that_takes_too_long_is_ended_whether_it_has_begun_or_not()
    {
        await using var origin = ScriptedOrigin.Echoing();
        var time = new FakeTimeProvider();
        await using var gateway = Gateway(origin, ", handshakeTimeout: 3s", time);
        await using var silent = await gateway.ConnectAsync();
        await using var begun = await gateway.ConnectAsync();
        await begun.SendAsync(Convert.FromHexString("160301020001"));
        var handshakes = gateway.Host.Listeners.First().Handshakes;
        await Eventually.HoldsAsync(() => handshakes.Active == 2, "both are under way");
        var ended = Task.WhenAll(silent.ReadToEndAsync(), begun.ReadToEndAsync());
        var passed = await time.PassUntilAsync(ended, TimeSpan.FromMilliseconds(100));
        Assert.InRange(passed, TimeSpan.FromSeconds(3), TimeSpan.FromSeconds(4));
        await Eventually.HoldsAsync(() => handshakes is { Active: 0 } && handshakes.Failed(HandshakeFailure.Timeout) == 2, "both are counted");
        await Eventually.HoldsAsync(() => gateway.Host.Listeners.First().Connections == 0, "both are gone");
    }

    [Fact]
    public async Task Handshakes_beyond_the_limit_wait_and_are_made_when_dawdlers_have_been_ended()
    {
        await using var origin = ScriptedOrigin.Echoing();
        var time = new FakeTimeProvider();
        await using var gateway = Gateway(origin, ", maxHandshakes: 4, handshakeTimeout: 10s", time);
        var handshakes = gateway.Host.Listeners.First().Handshakes;
        var dawdlers = new List<Peer>();
        for (var count = 1; count <= 4; count++)
        {
            dawdlers.Add(await gateway.ConnectAsync());
            await Eventually.HoldsAsync(() => handshakes.Active == count, $"{count} are under way");
        }
        // The third and the fourth came when it was crowded and have a second; the first two have all ten.
        var connecting = gateway.SecureAsync();
        var passed = await time.PassUntilAsync(connecting, TimeSpan.FromMilliseconds(100));
        Assert.InRange(passed, TimeSpan.FromSeconds(0.9), TimeSpan.FromSeconds(3));
        await using var client = await connecting;
        Assert.Equal(200, (await client.AskAsync()).Status);
        Assert.Equal(2, handshakes.Failed(HandshakeFailure.Timeout));
        foreach (var dawdler in dawdlers)
            await dawdler.DisposeAsync();
    }

    [Fact]
    public async Task Client_that_ends_its_connection_at_any_byte_of_the_handshake_leaves_nothing_behind()
    {
        await using var origin = ScriptedOrigin.Echoing();
        await using var gateway = Gateway(origin);
        var hello = await RecordHelloAsync();
        var listener = gateway.Host.Listeners.First();
        for (var length = 0; length <= hello.Length; length += 16)
        {
            await using var client = await gateway.ConnectAsync();
            await client.SendAsync(hello.AsMemory(0, length));
            if (length % 32 == 0)
                client.Reset();
        }
        await Eventually.HoldsAsync(() => listener is { Connections: 0, Handshakes.Active: 0 }, "all are gone");
        await using var good = await gateway.SecureAsync();
        Assert.Equal(200, (await good.AskAsync()).Status);
    }

    [Fact]
    public async Task Answer_without_a_length_to_an_old_client_ends_with_tls_own_word()
    {
        await using var origin = ScriptedOrigin.Answering(_ => "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n");
        await using var gateway = Gateway(origin);
        // A server's end without close_notify would be an error to OpenSSL's clients; SslStream says the same for both.
        Assert.SkipUnless(File.Exists("/usr/bin/openssl"), "openssl is not installed");
        var (code, output, errors) = await OtherProgram.RunAsync(
            "/usr/bin/openssl", ["s_client", "-quiet", "-connect", $"127.0.0.1:{gateway.Port}", "-CAfile", _pki.Ca], "GET / HTTP/1.0\r\nHost: a\r\n\r\n");
        Assert.EndsWith("hello", output, StringComparison.Ordinal);
        Assert.DoesNotContain("unexpected eof", errors, StringComparison.Ordinal);
        Assert.Equal(0, code);
    }

    [Fact]
    public async Task Client_that_renegotiates_is_let_go()
    {
        Assert.SkipUnless(File.Exists("/usr/bin/openssl"), "openssl is not installed");
        await using var origin = ScriptedOrigin.Echoing();
        await using var gateway = Gateway(origin);
        // s_client takes a line of R for a command, and ends when the server does.
        var (_, _, said) = await OtherProgram.RunAsync("/usr/bin/openssl", ["s_client", "-tls1_2", "-connect", $"127.0.0.1:{gateway.Port}", "-CAfile", _pki.Ca], "R\n");
        Assert.Contains("RENEGOTIATING", said, StringComparison.Ordinal);
        var listener = gateway.Host.Listeners.First();
        await Eventually.HoldsAsync(() => listener.Connections == 0, "the connection is gone");
        Assert.Equal(1, listener.Handshakes.Completed(SslProtocols.Tls12));
    }

    [Fact]
    public async Task Client_that_goes_ends_its_exchange_over_tls_too()
    {
        await using var origin = ScriptedOrigin.Start(async peer =>
        {
            await peer.ReadRequestAsync();
            await peer.ReadToEndAsync();
        });
        await using var gateway = Gateway(origin);
        var client = await gateway.SecureAsync();
        await client.Peer.SendAsync("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        await Eventually.HoldsAsync(() => gateway.Service().Endpoints[0].InFlight == 1, "the exchange is under way");
        client.Peer.Reset();
        await Eventually.HoldsAsync(() => gateway.Service().Endpoints[0].InFlight == 0, "the exchange has ended");
        await Eventually.HoldsAsync(() => gateway.Host.Listeners.First().Connections == 0, "the connection is gone");
    }

    [Fact]
    public async Task Upgraded_connection_carries_bytes_both_ways_over_tls()
    {
        await using var origin = ScriptedOrigin.Start(async peer =>
        {
            await peer.ReadHeadAsync();
            await peer.SendAsync("HTTP/1.1 101 Switching\r\nUpgrade: echo\r\nConnection: Upgrade\r\n\r\n");
            for (var count = 0; count < 100; count++)
                await peer.SendAsync(await peer.ReadAsync(1_000));
            peer.FinishSending();
        });
        await using var gateway = Gateway(origin);
        await using var client = await gateway.SecureAsync();
        await client.Peer.SendAsync("GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n");
        Assert.Equal(101, (await client.Peer.ReadAnyAnswerAsync("GET")).Status);
        for (var count = 0; count < 100; count++)
        {
            var piece = BodyPattern.Bytes((ulong)count, 1_000);
            await client.Peer.SendAsync(piece);
            Assert.Equal(piece, await client.Peer.ReadAsync(1_000));
        }
        Assert.Equal(ClientEnd.Closed, await client.Peer.ReadToEndAsync());
    }

    [Fact]
    public async Task Thousands_of_connections_leave_no_session_behind()
    {
        await using var origin = ScriptedOrigin.Answering(_ => ScriptedOrigin.Answer("hello"));
        await using var gateway = Gateway(origin);
        var listener = gateway.Host.Listeners.First();
        await Task.WhenAll(Enumerable.Range(0, 8).Select(async number =>
        {
            for (var count = 0; count < 50; count++)
            {
                await using var client = await gateway.SecureAsync();
                Assert.Equal(200, (await client.AskAsync()).Status);
                if (count % 3 == number % 3)
                    client.Peer.Reset();
            }
        }));
        await Eventually.HoldsAsync(() => listener is { Connections: 0, Handshakes.Active: 0 }, "all are gone");
        Assert.Equal(400, listener.Handshakes.Completed(SslProtocols.Tls13));
    }

    private TestGateway Gateway(ScriptedOrigin origin, string further = "", TimeProvider? time = null)
    {
        using var certificate = _pki.Issue("localhost", "127.0.0.1");
        return TestGateway.Start(TestGateway.File(origin.Url, listener: $"tls: {{ {_pki.Files(certificate, "localhost")}{further} }}"), time);
    }

    private async Task<string> HelloAsync(TestGateway gateway, params string[] arguments)
    {
        var (_, output, errors) = await OtherProgram.RunAsync("/usr/bin/openssl", ["s_client", "-connect", $"127.0.0.1:{gateway.Port}", "-CAfile", _pki.Ca, .. arguments], "Q\n");
        return output + errors;
    }

    // What a client says first.
    private static async Task<byte[]> RecordHelloAsync()
    {
        using var wire = new MemoryStream();
        await using var stream = new SslStream(new FirstFlight(wire));
        await Assert.ThrowsAnyAsync<Exception>(() => stream.AuthenticateAsClientAsync("localhost"));
        return wire.ToArray();
    }

    private sealed class FirstFlight(MemoryStream wire) : MemoryStream
    {
        public override ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default) => wire.WriteAsync(buffer, cancellationToken);

        public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default) => new(0);
    }
}
