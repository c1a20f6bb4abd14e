using System.Globalization;
using System.Net;
using System.Net.Sockets;
using Malha.IntegrationTests.Harness;

namespace Malha.IntegrationTests.Admin;

/// <summary>A request allocates nothing, its telemetry and its line in the log included: the program's own counter of allocated bytes says so.</summary>
public sealed class RequestAllocationTests(ITestOutputHelper console)
{
    private const int Requests = 20_000;

    [Theory]
    [InlineData("", 8)]
    [InlineData("telemetry: { endpoint: http://127.0.0.1:1, sample: 0% }\n", 8)]
    // What the exporter makes in the meantime, whose collector is not there, is counted here too; an activity would be 1,880 bytes.
    [InlineData("telemetry: { endpoint: http://127.0.0.1:1 }\n", 64)]
    public async Task A_request_on_a_kept_connection_allocates_nothing(string telemetry, double most)
    {
        using var origin = new PlainOrigin();
        var directory = Directory.CreateTempSubdirectory("malha-allocation-");
        var file = Path.Combine(directory.FullName, "malha.yaml");
        await File.WriteAllTextAsync(
            file,
            $"listeners: {{ edge: {{ address: 127.0.0.1:0 }} }}\nadmin: {{ address: 127.0.0.1:0 }}\nservices: {{ web: {{ endpoints: [ http://127.0.0.1:{origin.Port} ] }} }}\n"
            + "routes: [ { match: { path: /** }, service: web } ]\n" + telemetry,
            TestContext.Current.CancellationToken);
        // With several engine threads what one lends another may give back: whether the pools balance then depends on which threads the
        // kernel wakes. Here it is about the request's own path.
        var environment = new Dictionary<string, string> { ["XDG_RUNTIME_DIR"] = directory.FullName, ["DOTNET_SYSTEM_NET_SOCKETS_THREAD_COUNT"] = "1" };
        await using (var malha = await MalhaProcess.StartAsync(["run", file], 2, environment))
        {
            using var scraper = new HttpClient();
            async Task<double> AllocatedAsync()
            {
                var text = await scraper.GetStringAsync($"http://{malha.Listener("admin")}/metrics", TestContext.Current.CancellationToken);
                return MetricsTests.Parse(text)["dotnet_gc_heap_total_allocated_bytes_total"];
            }

            using var client = new PlainClient(malha.Listener("edge"));
            client.Ask(2 * Requests);
            await AllocatedAsync();
            // What a scrape and the time in between cost is measured first.
            var start = await AllocatedAsync();
            var before = await AllocatedAsync();
            client.Ask(Requests);
            var after = await AllocatedAsync();
            var bytes = ((after - before) - (before - start)) / Requests;
            console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{bytes:F2} bytes allocated per request"));
            Assert.InRange(bytes, double.MinValue, most);
        }
        directory.Delete(recursive: true);
    }

    /// <summary>Asks one thing again and again over one connection.</summary>
    private sealed class PlainClient : IDisposable
    {
        private static readonly byte[] Request = WireText.Bytes("GET /orders/7?token=x HTTP/1.1\r\nHost: shop.example\r\nUser-Agent: test\r\n\r\n");
        private readonly Socket _socket = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        private readonly byte[] _buffer = new byte[4096];

        public PlainClient(IPEndPoint address) => _socket.Connect(address);

        public void Ask(int times)
        {
            for (var count = 0; count < times; count++)
            {
                _socket.Send(Request);
                // An answer this small comes in one piece.
                Assert.True(_socket.Receive(_buffer) > 0);
            }
        }

        public void Dispose() => _socket.Dispose();
    }

    /// <summary>Answers whatever comes in one piece with the same.</summary>
    private sealed class PlainOrigin : IDisposable
    {
        private static readonly byte[] Answer = WireText.Bytes("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
        private readonly Socket _listener = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);

        public PlainOrigin()
        {
            _listener.Bind(new IPEndPoint(IPAddress.Loopback, 0));
            _listener.Listen();
            new Thread(Run) { IsBackground = true }.Start();
        }

        public int Port => ((IPEndPoint)_listener.LocalEndPoint!).Port;

        public void Dispose() => _listener.Dispose();

        private void Run()
        {
            try
            {
                while (true)
                {
                    var socket = _listener.Accept();
                    socket.NoDelay = true;
                    new Thread(() => Serve(socket)) { IsBackground = true }.Start();
                }
            }
            catch (SocketException)
            {
                // Disposed.
            }
        }

        private static void Serve(Socket socket)
        {
            try
            {
                var buffer = new byte[4096];
                while (socket.Receive(buffer) > 0)
                    socket.Send(Answer);
            }
            catch (SocketException)
            {
                // The gateway has ended.
            }
            socket.Dispose();
        }
    }
}
