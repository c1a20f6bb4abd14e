using System.Net.Sockets;
using System.Runtime.InteropServices;
using System.Threading.Tasks.Sources;

namespace Malha.Proxy.Transport;

/// <summary>A plain TCP connection.</summary>
internal sealed class SocketChannel : ByteChannel
{
    private readonly Socket _socket;
    private readonly SocketOperation _receive;
    private readonly SocketOperation _send;
    private volatile bool _isReceiveShut;
    private volatile bool _closesWhenReceived;
    private int _closed;
    private int _released;

    public SocketChannel(Socket socket)
    {
        _socket = socket;
        _socket.NoDelay = true;
        _receive = new SocketOperation(this);
        _send = new SocketOperation(null);
    }

    public Socket Socket => _socket;

    public override ValueTask<int> ReceiveAsync(Memory<byte> buffer)
    {
        try
        {
            _receive.SetBuffer(buffer);
            _receive.Begin();
            return _socket.ReceiveAsync(_receive) ? _receive.Pending() : new ValueTask<int>(_receive.EndAtOnce());
        }
        catch (Exception exception) when (exception is ObjectDisposedException or SocketException)
        {
            _receive.Ended();
            return new ValueTask<int>(Broken);
        }
    }

    public override ValueTask<bool> SendAsync(ReadOnlyMemory<byte> buffer)
    {
        try
        {
            // The socket only reads from it; SocketAsyncEventArgs has no read-only buffer.
            _send.SetBuffer(MemoryMarshal.AsMemory(buffer));
            if (_socket.SendAsync(_send))
                return _send.PendingSend(buffer.Length);
            // A stream socket's send ends only when everything was taken, or in an error.
            return new ValueTask<bool>(_send.Outcome() == buffer.Length);
        }
        catch (Exception exception) when (exception is ObjectDisposedException or SocketException)
        {
            return new ValueTask<bool>(false);
        }
    }

    public override void ShutdownSend() => Shutdown(SocketShutdown.Send);

    public override void ShutdownReceive()
    {
        _isReceiveShut = true;
        Shutdown(SocketShutdown.Receive);
    }

    private void Shutdown(SocketShutdown how)
    {
        try
        {
            _socket.Shutdown(how);
        }
        catch (Exception exception) when (exception is ObjectDisposedException or SocketException)
        {
            // Gone already: there is nobody left to tell.
        }
    }

    public override void Abort()
    {
        if (Interlocked.Exchange(ref _closed, 1) != 0)
            return;

        try
        {
            // A zero linger time makes close send a reset: a cut answer must not look like a finished one.
            _socket.LingerState = new LingerOption(true, 0);
        }
        catch (Exception exception) when (exception is ObjectDisposedException or SocketException)
        {
            // Gone already.
        }
        Release();
    }

    protected override void Dispose(bool disposing)
    {
        if (Interlocked.Exchange(ref _closed, 1) != 0)
            return;
        // A socket that is closed with a receive under way, or while another thread is within a call on it, sends a reset, unless it was shut
        // down before: the peer could lose our last bytes.
        if (_receive.IsPending)
        {
            CloseWhenReceived();
            return;
        }
        if (_isReceiveShut)
            Shutdown(SocketShutdown.Send);
        Release();
    }

    // Closing a socket makes the runtime cancel a receive under way on the thread pool, and waking a thread of that costs more than everything else about a
    // connection. A socket that is shut down ends its receive by itself, where receives end.
    private void CloseWhenReceived()
    {
        _closesWhenReceived = true;
        Shutdown(SocketShutdown.Both);
        // Either this sees that the receive has ended, or the receive's end sees that the socket is to be closed.
        Interlocked.MemoryBarrier();
        if (!_receive.IsPending)
            Release();
    }

    private void OnReceiveEnded()
    {
        Interlocked.MemoryBarrier();
        if (_closesWhenReceived)
            Release();
    }

    private void Release()
    {
        if (Interlocked.Exchange(ref _released, 1) != 0)
            return;
        _socket.Dispose();
        _receive.Dispose();
        _send.Dispose();
    }

    /// <summary>One direction's reusable operation.</summary>
    private sealed class SocketOperation : SocketAsyncEventArgs, IValueTaskSource<int>, IValueTaskSource<bool>
    {
        private readonly SocketChannel? _channel;
        private ManualResetValueTaskSourceCore<int> _core;
        private int _expected;
        private volatile bool _isPending;

        /// <param name="channel">Told when the operation ends; null: nobody is.</param>
        public SocketOperation(SocketChannel? channel)
            : base(true) => _channel = channel;

        public bool IsPending => _isPending;

        public int Outcome() => SocketError == SocketError.Success ? BytesTransferred : Broken;

        // Before the operation begins: it may end on another thread before it returns on this one.
        public void Begin() => _isPending = true;

        public int EndAtOnce()
        {
            var outcome = Outcome();
            Ended();
            return outcome;
        }

        /// <summary>Nothing is under way any more: the last to be said, since the channel may close at this.</summary>
        public void Ended()
        {
            _isPending = false;
            _channel?.OnReceiveEnded();
        }

        public ValueTask<int> Pending() => new(this, _core.Version);

        public ValueTask<bool> PendingSend(int expected)
        {
            _expected = expected;
            return new ValueTask<bool>(this, _core.Version);
        }

        public ValueTaskSourceStatus GetStatus(short token) => _core.GetStatus(token);

        public void OnCompleted(Action<object?> continuation, object? state, short token, ValueTaskSourceOnCompletedFlags flags) =>
            _core.OnCompleted(continuation, state, token, flags);

        int IValueTaskSource<int>.GetResult(short token)
        {
            var result = _core.GetResult(token);
            _core.Reset();
            return result;
        }

        bool IValueTaskSource<bool>.GetResult(short token)
        {
            var result = _core.GetResult(token);
            _core.Reset();
            return result == _expected;
        }

        protected override void OnCompleted(SocketAsyncEventArgs e)
        {
            var outcome = Outcome();
            Ended();
            _channel?.Received?.Invoke(outcome);
            _core.SetResult(outcome);
        }
    }
}
