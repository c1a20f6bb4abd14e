using System.Net;
using System.Net.Sockets;
using Malha.Configuration;
using Malha.Delivery.Callbacks;
using Malha.Tests.Configuration;

namespace Malha.Tests.Delivery.Callbacks;

/// <summary>Where callbacks go, and where they never do: real connections, to a listener of the test that nobody may reach.</summary>
public sealed class CallbackClientTests
{
    private static readonly CancellationToken Test = TestContext.Current.CancellationToken;

    [Theory]
    [InlineData("127.0.0.1")]
    [InlineData("127.1")]
    [InlineData("2130706433")]
    [InlineData("0x7f000001")]
    [InlineData("0x7f.0.0.1")]
    [InlineData("0177.0.0.1")]
    [InlineData("0.0.0.0")]
    [InlineData("[::ffff:127.0.0.1]")]
    [InlineData("[::ffff:7f00:1]")]
    [InlineData("[::]")]
    [InlineData("localhost")]
    public async Task No_writing_of_this_machine_is_connected_to(string host)
    {
        using var listener = Listen(out var port);
        var outcome = await SendAsync($"http://{host}:{port}/hook", Settings(port), Dns.GetHostAddressesAsync);
        Assert.Equal(new CallbackOutcome(0, CallbackOutcome.Refused), outcome);
        Assert.False(listener.Pending());
    }

    [Theory]
    [InlineData("127.0.0.1")]
    [InlineData("10.0.0.1", "192.168.0.1")]
    [InlineData("::1", "169.254.169.254")]
    public async Task A_name_that_leads_to_none_but_private_addresses_is_not_connected_to(params string[] found)
    {
        using var listener = Listen(out var port);
        var outcome = await SendAsync($"http://hooks.example:{port}/", Settings(port), (_, _) => Task.FromResult(found.Select(IPAddress.Parse).ToArray()));
        Assert.Equal(new CallbackOutcome(0, CallbackOutcome.Refused), outcome);
        Assert.False(listener.Pending());
    }

    [Fact]
    public async Task A_name_is_resolved_once_and_the_connection_goes_to_the_address_that_was_judged()
    {
        using var listener = Listen(out var port);
        var asked = 0;
        var serving = AnswerAsync(listener, "HTTP/1.1 204 No Content\r\n\r\n");
        // The second answer of a name server that rebinds is never asked for: what is connected to is the first.
        var outcome = await SendAsync($"http://hooks.example:{port}/", Settings(port, "127.0.0.1/32"),
            (_, _) => Task.FromResult(new[] { IPAddress.Parse(Interlocked.Increment(ref asked) == 1 ? "127.0.0.1" : "10.0.0.1") }));
        Assert.Equal((204, 1), (outcome.Status, asked));
        await serving;
    }

    [Fact]
    public async Task A_redirect_is_an_answer_and_is_not_followed()
    {
        using var listener = Listen(out var port);
        var serving = AnswerAsync(listener, $"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:{port}/elsewhere\r\nContent-Length: 0\r\n\r\n");
        var outcome = await SendAsync($"http://127.0.0.1:{port}/", Settings(port, "127.0.0.0/8"), Dns.GetHostAddressesAsync);
        Assert.Equal(302, outcome.Status);
        await serving;
        Assert.False(listener.Pending());
    }

    [Fact]
    public async Task An_answer_without_end_is_cut_and_its_head_counts()
    {
        using var listener = Listen(out var port);
        var serving = AnswerAsync(listener, "HTTP/1.1 200 OK\r\nContent-Length: 1000000000000\r\n\r\nand");
        Assert.Equal(200, (await SendAsync($"http://127.0.0.1:{port}/", Settings(port, "127.0.0.0/8"), Dns.GetHostAddressesAsync)).Status);
        await serving;
    }

    [Fact]
    public async Task A_head_without_end_is_a_failure()
    {
        using var listener = Listen(out var port);
        var serving = AnswerAsync(listener, "HTTP/1.1 200 OK\r\nX: " + new string('x', 100_000));
        var outcome = await SendAsync($"http://127.0.0.1:{port}/", Settings(port, "127.0.0.0/8"), Dns.GetHostAddressesAsync);
        Assert.Equal(0, outcome.Status);
        Assert.NotEqual("", outcome.Problem);
        listener.Stop();
        await serving;
    }

    [Fact]
    public async Task Who_does_not_answer_is_left_after_the_timeout()
    {
        using var listener = Listen(out var port);
        var outcome = await SendAsync($"http://127.0.0.1:{port}/", Settings(port, "127.0.0.0/8") with { Timeout = TimeSpan.FromMilliseconds(100) }, Dns.GetHostAddressesAsync);
        Assert.Equal(new CallbackOutcome(0, "timed-out"), outcome);
    }

    [Fact]
    public async Task Ports_and_plain_http_are_refused_when_they_were_allowed_once()
    {
        Assert.Equal("port-refused", (await SendAsync("http://127.0.0.1:81/", Settings(80), Dns.GetHostAddressesAsync)).Problem);
        Assert.Equal("http-refused", (await SendAsync("http://127.0.0.1:80/", Settings(80) with { AllowsHttp = false }, Dns.GetHostAddressesAsync)).Problem);
    }

    private static CallbacksConfig Settings(int port, params string[] networks) => Yaml.Good($$"""
        listeners: { edge: { address: 127.0.0.1:0 } }
        delivery: { path: data, callbacks: { secrets: env:WEBHOOK_SECRET, http: true, ports: {{port}}, networks: [ {{string.Join(", ", networks)}} ] } }
        routes: [ { respond: {} } ]
        """).Delivery!.Callbacks!;

    private static async Task<CallbackOutcome> SendAsync(string url, CallbacksConfig settings, Func<string, CancellationToken, Task<IPAddress[]>> resolve)
    {
        using var client = new CallbackClient(() => settings, TimeProvider.System, resolve);
        return await client.SendAsync(new CallbackMessage(new Uri(url), "op_1", "{}"u8.ToArray()), settings, Test);
    }

    private static TcpListener Listen(out int port)
    {
        var listener = new TcpListener(IPAddress.Any, 0);
        listener.Start();
        port = ((IPEndPoint)listener.LocalEndpoint).Port;
        return listener;
    }

    private static async Task AnswerAsync(TcpListener listener, string answer)
    {
        using var socket = await listener.AcceptSocketAsync(Test);
        var buffer = new byte[4096];
        try
        {
            for (var text = ""; !text.EndsWith("{}", StringComparison.Ordinal);)
            {
                var length = await socket.ReceiveAsync(buffer, Test);
                if (length == 0)
                    return;
                text += System.Text.Encoding.ASCII.GetString(buffer, 0, length);
            }
            await socket.SendAsync(System.Text.Encoding.ASCII.GetBytes(answer), Test);
            // Until the other side goes.
            while (await socket.ReceiveAsync(buffer, Test) > 0)
            {
            }
        }
        catch (SocketException)
        {
            // It went with a reset.
        }
    }
}
