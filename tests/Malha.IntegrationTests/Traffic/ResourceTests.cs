using System.Globalization;
using System.Net;
using System.Net.Sockets;
using Malha.IntegrationTests.Harness;
using Malha.IntegrationTests.Traffic.Support;

namespace Malha.IntegrationTests.Traffic;

/// <summary>What connections and requests cost, alone on the machine as far as the tests can see to it.</summary>
[Collection(nameof(ResourceTests))]
[CollectionDefinition(nameof(ResourceTests), DisableParallelization = true)]
public sealed class ResourceTests
{
    [Fact]
    public async Task Ten_thousand_idle_connections_cost_at_most_15_KB_each()
    {
        const int Count = 10_000;
        Assert.SkipWhen(ProcessFacts.OpenFilesLimit < Count + 1_000, $"ulimit -n is {ProcessFacts.OpenFilesLimit}: raise it to {Count + 1_000} for the test of idle connections");
        await using var origin = ScriptedOrigin.Echoing();
        // A crowd that comes all at once is more than a service of unknown strength is given.
        await using var malha = await TestGateway.RunAsync(origin.Url, "concurrency: off");
        await using (var warm = new Crowd())
            await warm.JoinAsync(malha.Port, 500);
        await Eventually.HoldsAsync(() => ProcessFacts.OpenFiles(malha.ProcessId) < 300, "the first ones have gone");
        var before = ProcessFacts.ResidentBytes(malha.ProcessId);
        await using var crowd = new Crowd();
        await crowd.JoinAsync(malha.Port, Count);
        var each = (ProcessFacts.ResidentBytes(malha.ProcessId) - before) / Count;
        TestContext.Current.SendDiagnosticMessage("{0} bytes for each idle connection", each);
        Assert.InRange(each, 0, 15 * 1024);
    }

    [Fact]
    public async Task Connections_that_come_and_go_leave_no_descriptor()
    {
        await using var origin = ScriptedOrigin.Echoing();
        await using var malha = await MalhaProcess.StartAsync(new Uri(origin.Url));
        await RoundAsync(malha.Port, 100);
        var before = await Eventually.SettlesAsync(() => ProcessFacts.OpenFiles(malha.ProcessId));
        await RoundAsync(malha.Port, 2_000);
        await Eventually.HoldsAsync(() => ProcessFacts.OpenFiles(malha.ProcessId) <= before + 8, $"the descriptors go back to {before}, and are {ProcessFacts.OpenFiles(malha.ProcessId)}");
    }

    [Theory]
    [InlineData(1)]
    [InlineData(8)]
    public async Task Requests_on_kept_connections_allocate_nothing(int connections)
    {
        const int Count = 20_000;
        using var origin = new FrugalOrigin();
        await using var gateway = TestGateway.Start(TestGateway.File($"http://127.0.0.1:{origin.Port}"));
        using var clients = new FrugalClients(gateway.Port, connections);
        // Here the work moves from thread to thread with each step, and each new thread of the pool fills its stacks first: what counts is
        // that there is an end to it.
        var each = double.MaxValue;
        for (var round = 0; round < 20 && each >= 1; round++)
        {
            var before = GC.GetTotalAllocatedBytes(precise: true);
            clients.Ask(Count / connections);
            each = (GC.GetTotalAllocatedBytes(precise: true) - before) / (double)Count;
        }
        TestContext.Current.SendDiagnosticMessage("{0} bytes allocated for each request over {1} connections", each, connections);
        if (each < 1)
            return;
        // Once more, now with an eye on what it is.
        using var listener = new AllocationListener();
        clients.Ask(Count * 5 / connections);
        Assert.Fail($"{each} bytes are allocated for each request:\n{listener.Show()}");
    }

    [Fact]
    public async Task Program_under_load_allocates_next_to_nothing_per_request()
    {
        Assert.SkipUnless(File.Exists(Wrk.Program), "wrk is missing: apt-get install wrk");
        var folder = Directory.CreateTempSubdirectory("malha-allocations-");
        // New connections cost their buffers: nginx's default would make one for each thousand requests.
        await using var server = await RealServer.StartNginxAsync(folder.FullName, keepaliveRequests: 1_000_000);
        Assert.SkipWhen(server is null, "nginx is missing: apt-get install nginx-light");
        var file = Path.Combine(folder.FullName, "malha.yaml");
        await File.WriteAllTextAsync(file, TestGateway.File(server!.Url) + "\nadmin: { address: \"127.0.0.1:0\" }" + TestGateway.Quiet, TestContext.Current.CancellationToken);
        await using var malha = await MalhaProcess.StartAsync(["run", file], 2);
        var (edge, admin) = (malha.Listener("edge").Port, malha.Listener("admin").Port);
        await Wrk.RunAsync(edge, seconds: 2);
        await AllocatedAsync(admin);
        // How many exchanges are under way at once depends on who else wants the processors: pools grow with it, and then hold.
        var least = double.MaxValue;
        for (var round = 0; round < 8 && least >= 4; round++)
            least = Math.Min(least, await AllocatedPerRequestAsync(edge, admin));
        Assert.True(least < 4, $"{least} bytes are allocated for each request");
        folder.Delete(recursive: true);
    }

    private static async Task<double> AllocatedPerRequestAsync(int edge, int admin)
    {
        var start = await AllocatedAsync(admin);
        var before = await AllocatedAsync(admin);
        var requests = await Wrk.RunAsync(edge, seconds: 2);
        var after = await AllocatedAsync(admin);
        // What the look at the counter itself costs is taken off.
        var each = (after - before - (before - start)) / requests;
        TestContext.Current.SendDiagnosticMessage("{0} bytes allocated for each of {1} requests of the program", each, requests);
        return each;
    }

    private static async Task<double> AllocatedAsync(int admin)
    {
        await using var client = await Peer.ConnectAsync(admin);
        await client.SendAsync("GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        var text = WireText.Text((await client.ReadAnswerAsync()).Body);
        var line = text.Split('\n').First(line => line.StartsWith("dotnet_gc_heap_total_allocated_bytes_total ", StringComparison.Ordinal));
        return double.Parse(line.AsSpan(line.IndexOf(' ', StringComparison.Ordinal) + 1), CultureInfo.InvariantCulture);
    }

    // Connections that end in every way there is.
    private static async Task RoundAsync(int port, int count)
    {
        for (var number = 0; number < count; number++)
        {
            await using var client = await Peer.ConnectAsync(port);
            if (number % 5 == 0)
                continue;
            await client.SendAsync((number % 5) switch
            {
                1 => "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
                2 => "nonsense\r\n\r\n",
                3 => "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\npart",
                _ => "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
            });
            if (number % 5 != 3)
                await client.ReadHeadAsync();
            if (number % 2 == 0)
                client.Reset();
        }
    }

    /// <summary>Many connections, each of which has asked once and then rests.</summary>
    private sealed class Crowd : IAsyncDisposable
    {
        private readonly List<Socket> _sockets = [];

        public async Task JoinAsync(int port, int count)
        {
            var request = "GET / HTTP/1.1\r\nHost: a\r\n\r\n"u8.ToArray();
            await Parallel.ForEachAsync(Enumerable.Range(0, count), new ParallelOptions { MaxDegreeOfParallelism = 16 }, async (_, cancellation) =>
            {
                var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
                lock (_sockets)
                    _sockets.Add(socket);
                await socket.ConnectAsync(new IPEndPoint(IPAddress.Loopback, port), cancellation);
                await socket.SendAsync(request, cancellation);
                var buffer = new byte[2048];
                Assert.True(await socket.ReceiveAsync(buffer, cancellation) > 12);
                Assert.True(buffer.AsSpan().StartsWith("HTTP/1.1 200"u8));
            });
        }

        public ValueTask DisposeAsync()
        {
            _sockets.ForEach(socket => socket.Dispose());
            return ValueTask.CompletedTask;
        }
    }

    /// <summary>A server that answers every piece that comes with the same bytes, on a thread of its own for each connection, and allocates nothing.</summary>
    private sealed class FrugalOrigin : IDisposable
    {
        private static readonly byte[] Answer = "HTTP/1.1 200 OK\r\nContent-Length: 128\r\n\r\n"u8.ToArray().Concat(new byte[128]).ToArray();

        private readonly Socket _listener = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);

        public FrugalOrigin()
        {
            _listener.Bind(new IPEndPoint(IPAddress.Loopback, 0));
            _listener.Listen(64);
            Port = ((IPEndPoint)_listener.LocalEndPoint!).Port;
            new Thread(Accept) { IsBackground = true }.Start();
        }

        public int Port { get; }

        public void Dispose() => _listener.Dispose();

        private void Accept()
        {
            try
            {
                while (true)
                {
                    var socket = _listener.Accept();
                    new Thread(() => Serve(socket)) { IsBackground = true }.Start();
                }
            }
            catch (SocketException)
            {
                // The listener was disposed.
            }
        }

        private static void Serve(Socket socket)
        {
            using (socket)
            {
                socket.NoDelay = true;
                var buffer = new byte[4096];
                try
                {
                    while (socket.Receive(buffer) > 0)
                        socket.Send(Answer);
                }
                catch (SocketException)
                {
                    // The gateway has gone.
                }
            }
        }
    }

    /// <summary>Clients on threads of their own that ask in turn and allocate nothing.</summary>
    private sealed class FrugalClients : IDisposable
    {
        private readonly Socket[] _sockets;
        private readonly byte[] _request = "GET /a HTTP/1.1\r\nHost: shop.example\r\nUser-Agent: tests\r\nAccept: */*\r\n\r\n"u8.ToArray();
        private readonly Barrier _barrier;
        private int _count;
        private volatile bool _failed;
        private volatile bool _ends;

        public FrugalClients(int port, int count)
        {
            _barrier = new Barrier(count + 1);
            _sockets = [.. Enumerable.Range(0, count).Select(_ => new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true, ReceiveTimeout = 20_000 })];
            foreach (var socket in _sockets)
            {
                socket.Connect(IPAddress.Loopback, port);
                new Thread(() => Run(socket)) { IsBackground = true }.Start();
            }
        }

        /// <summary>Each asks so often; returns when all have.</summary>
        public void Ask(int count)
        {
            _count = count;
            _barrier.SignalAndWait();
            _barrier.SignalAndWait();
            Assert.False(_failed, "an answer was bad");
        }

        public void Dispose()
        {
            _ends = true;
            _barrier.SignalAndWait();
            foreach (var socket in _sockets)
                socket.Dispose();
            _barrier.Dispose();
        }

        private void Run(Socket socket)
        {
            var buffer = new byte[4096];
            while (true)
            {
                _barrier.SignalAndWait();
                if (_ends)
                    return;
                for (var number = 0; number < _count && !_failed; number++)
                    Once(socket, buffer);
                _barrier.SignalAndWait();
            }
        }

        private void Once(Socket socket, byte[] buffer)
        {
            try
            {
                socket.Send(_request);
                // Head and body leave in one piece, and the body is 128 bytes of zero behind the empty line.
                var received = 0;
                int end;
                do
                {
                    received += socket.Receive(buffer, received, buffer.Length - received, SocketFlags.None);
                    end = buffer.AsSpan(0, received).IndexOf("\r\n\r\n"u8);
                }
                while (end < 0 || received < end + 4 + 128);
                if (received != end + 4 + 128 || !buffer.AsSpan().StartsWith("HTTP/1.1 200"u8))
                    _failed = true;
            }
            catch (SocketException)
            {
                _failed = true;
            }
        }
    }
}
