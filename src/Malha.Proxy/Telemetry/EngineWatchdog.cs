using System.Globalization;
using System.Net;
using System.Net.Sockets;
using Malha.Proxy.Telemetry.Metrics;
using Malha.Proxy.Timing;

namespace Malha.Proxy.Telemetry;

/// <summary>
/// Measures how long the socket engine's threads take to come to a new event. All HTTP/1.1 runs on them, so one of them that is held up (by work
/// that should have hopped off, a collection, or a machine that has no core for it) holds up all its connections.
/// </summary>
/// <remarks>
/// A datagram socket for each thread sends itself a byte now and then and looks when it comes back. The engine hands new sockets to its
/// threads in turn; a probe that landed on the thread of another one, since a client connected in between, is made anew.
/// </remarks>
internal sealed class EngineWatchdog : TimerEntry, IDisposable
{
    private const int IntervalMs = 50;

    /// <summary>Longer is told as an event.</summary>
    private static readonly TimeSpan Busy = TimeSpan.FromMilliseconds(50);

    /// <summary>A machine that is too small is told of twice a minute, not twenty times a second.</summary>
    private static readonly TimeSpan ToldEvery = TimeSpan.FromSeconds(30);

    private readonly TimerWheel _wheel;
    private readonly TimeProvider _time;
    private readonly GatewayTelemetry _telemetry;
    private readonly Probe[] _probes;
    private int _replacements;
    private bool _disposed;

    /// <param name="wheel">Says when to probe.</param>
    /// <param name="time">Measures.</param>
    /// <param name="telemetry">Is told.</param>
    /// <param name="threads">How many threads the engine has: with inline completions one for each core.</param>
    public EngineWatchdog(TimerWheel wheel, TimeProvider time, GatewayTelemetry telemetry, int threads)
    {
        _wheel = wheel;
        _time = time;
        _telemetry = telemetry;
        _probes = new Probe[threads];
        for (var index = 0; index < threads; index++)
            _probes[index] = new Probe(this, index, new ExchangeSeries(default));
        telemetry.EngineDelays = [.. _probes.Select(probe => probe.Delays)];
        Arm(wheel, wheel.NowMs + IntervalMs);
    }

    public void Dispose()
    {
        Volatile.Write(ref _disposed, true);
        _wheel.Remove(this);
        foreach (var probe in _probes)
            probe.Dispose();
    }

    protected internal override void OnDeadline()
    {
        for (var index = 0; index < _probes.Length; index++)
        {
            var probe = _probes[index];
            var isDouble = probe.Thread != 0 && Array.FindIndex(_probes, other => other.Thread == probe.Thread) < index;
            if (isDouble && _replacements < 4 * _probes.Length)
            {
                _replacements++;
                probe.Dispose();
                _probes[index] = probe = new Probe(this, index, probe.Delays);
            }
            probe.Send();
        }
        if (!Volatile.Read(ref _disposed))
            Arm(_wheel, _wheel.NowMs + IntervalMs);
    }

    /// <summary>One thread's socket.</summary>
    private sealed class Probe : IDisposable
    {
        private static readonly byte[] Ping = [1];

        private readonly EngineWatchdog _watchdog;
        private readonly int _index;
        private readonly Socket _socket = new(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp);
        private readonly SocketAsyncEventArgs _receive = new();
        private long _sentAt;
        private long _toldAt;
        private int _thread;

        public Probe(EngineWatchdog watchdog, int index, ExchangeSeries delays)
        {
            _watchdog = watchdog;
            _index = index;
            Delays = delays;
            _socket.Bind(new IPEndPoint(IPAddress.Loopback, 0));
            // To itself: nobody else's datagrams get in.
            _socket.Connect(_socket.LocalEndPoint!);
            _receive.SetBuffer(new byte[1]);
            _receive.Completed += (_, _) => OnReceived();
            _socket.ReceiveAsync(_receive);
        }

        public ExchangeSeries Delays { get; }

        /// <summary>The thread that receives; 0 while that is not known.</summary>
        public int Thread => Volatile.Read(ref _thread);

        /// <summary>Sends the byte, unless the one before has not come back yet. Must not throw.</summary>
        public void Send()
        {
            if (Interlocked.CompareExchange(ref _sentAt, _watchdog._time.GetTimestamp() | 1, 0) != 0)
                return;
            try
            {
                _socket.Send(Ping);
            }
            catch (Exception exception) when (exception is SocketException or ObjectDisposedException)
            {
                // No buffer, or the end of the program: the next one tells.
                Volatile.Write(ref _sentAt, 0);
            }
        }

        public void Dispose()
        {
            _socket.Dispose();
            _receive.Dispose();
        }

        // On the engine's thread: must be quick and must not throw.
        private void OnReceived()
        {
            if (_receive.SocketError != SocketError.Success)
                return;
            Volatile.Write(ref _thread, Environment.CurrentManagedThreadId);
            var now = _watchdog._time.GetTimestamp();
            var delay = _watchdog._time.GetElapsedTime(Interlocked.Exchange(ref _sentAt, 0), now);
            Delays.Record(delay, 0, 0);
            if (delay > Busy && (_toldAt == 0 || _watchdog._time.GetElapsedTime(_toldAt, now) > ToldEvery))
            {
                _toldAt = now;
                var thread = _index.ToString(CultureInfo.InvariantCulture);
                // Formatting allocates, and the log's lock may be held: not here.
                ThreadPool.UnsafeQueueUserWorkItem(_ => _watchdog._telemetry.Events.Warning("engine-busy", ("engine", thread), ("delayMs", Math.Round(delay.TotalMilliseconds))), null);
            }
            try
            {
                _socket.ReceiveAsync(_receive);
            }
            catch (ObjectDisposedException)
            {
                // The end of the program.
            }
        }
    }
}
