using System.Net;
using System.Net.Sockets;

namespace Malha.IntegrationTests.Harness;

internal enum AnswerState
{
    Complete,

    /// <summary>The connection ended inside the answer.</summary>
    Truncated,

    /// <summary>The connection ended before a byte of it.</summary>
    Nothing,

    Malformed,

    TimedOut,
}

/// <summary>One final answer and the 1xx ones before it. A truncated one has its head, when that much came.</summary>
internal sealed record AnswerRead(AnswerState State, WireAnswer? Answer, IReadOnlyList<WireAnswer> Interim, byte[] Bytes, string? Fault)
{
    /// <summary>400 to 499, and the two that say "such a request I do not serve": 501 and 505.</summary>
    public bool IsRefusal => State == AnswerState.Complete && Answer!.Status is (>= 400 and < 500) or 501 or 505;

    public string Show() => State == AnswerState.Complete
        ? $"{Answer!.Status} {Answer.Reason}, {Answer.Body.Length} bytes"
        : $"{State}{(Fault == null ? "" : $" ({Fault})")}: {WireText.Show(Bytes)}";
}

internal enum ClientEnd
{
    Closed,
    Reset,
    StillOpen,
}

/// <summary>A client that sends what it is told, in the pieces it is told, and waits for nothing longer than <see cref="Patience"/>.</summary>
internal sealed class RawClient : IAsyncDisposable
{
    /// <summary>Far above what a loaded two-core machine needs, and below every timeout of the proxies under test that could answer instead.</summary>
    public static readonly TimeSpan Patience = TimeSpan.FromSeconds(8);

    // Some 50 µs: longer than a wake-up over loopback.
    private const int SpinsPerPiece = 5000;

    private readonly Socket _socket = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
    private readonly CancellationToken _cancellation;
    private readonly byte[] _buffer = new byte[64 * 1024];
    private byte[] _unread = [];
    private ClientEnd _end = ClientEnd.StillOpen;

    private RawClient(CancellationToken cancellation) => _cancellation = cancellation;

    public byte[] Unread => _unread;

    public static async Task<RawClient> ConnectAsync(int port, CancellationToken cancellation)
    {
        var client = new RawClient(cancellation);
        await client._socket.ConnectAsync(new IPEndPoint(IPAddress.Loopback, port), cancellation);
        return client;
    }

    /// <summary>Sends all of it; false when the other side has ended the connection, since a refusal may come before the last byte.</summary>
    public async Task<bool> SendAsync(ReadOnlyMemory<byte> bytes)
    {
        using var deadline = Deadline(Patience);
        try
        {
            while (bytes.Length > 0)
                bytes = bytes[await _socket.SendAsync(bytes, deadline.Token)..];
            return true;
        }
        catch (SocketException)
        {
            return false;
        }
    }

    /// <summary>
    /// Sends in pieces, each in a packet of its own, with a breath in between in which a reader wakes up and meets the seam. What is right does
    /// not depend on whether it does.
    /// </summary>
    public async Task<bool> SendInPiecesAsync(IEnumerable<ReadOnlyMemory<byte>> pieces)
    {
        foreach (var piece in pieces)
        {
            if (!await SendAsync(piece))
                return false;
            Thread.SpinWait(SpinsPerPiece);
        }
        return true;
    }

    /// <summary>Says that nothing more will come: a FIN; what the other side sends can still be read.</summary>
    public void FinishSending()
    {
        try
        {
            _socket.Shutdown(SocketShutdown.Send);
        }
        catch (SocketException)
        {
            // The other side was faster.
        }
    }

    public async Task<AnswerRead> ReadAnswerAsync(string method, TimeSpan? patience = null)
    {
        using var deadline = Deadline(patience ?? Patience);
        var interim = new List<WireAnswer>();
        while (true)
        {
            var ended = _end != ClientEnd.StillOpen;
            var read = WireReader.Answer(_unread, method, ended);
            switch (read.State)
            {
                case WireState.Malformed:
                    return new(AnswerState.Malformed, null, interim, _unread, read.Fault);
                case WireState.Complete when _end == ClientEnd.Reset && read.Message!.EndsWithConnection:
                    return new(AnswerState.Truncated, read.Head, interim, _unread, "reset");
                case WireState.Complete:
                    var bytes = _unread[..read.Message!.Length];
                    _unread = _unread[bytes.Length..];
                    // 101 is the last answer of its connection, every other 1xx comes before a final one.
                    if (read.Message.Status is >= 200 or 101)
                        return new(AnswerState.Complete, read.Message, interim, bytes, null);
                    interim.Add(read.Message);
                    continue;
            }
            if (ended)
                return new(_unread.Length == 0 ? AnswerState.Nothing : AnswerState.Truncated, read.Head, interim, _unread, _end == ClientEnd.Reset ? "reset" : null);
            if (!await ReceiveAsync(deadline.Token))
                return new(AnswerState.TimedOut, read.Head, interim, _unread, null);
        }
    }

    /// <summary>Reads until the other side ends the connection; what came is in <see cref="Unread"/>.</summary>
    public async Task<ClientEnd> ReadToEndAsync(TimeSpan? patience = null)
    {
        using var deadline = Deadline(patience ?? Patience);
        while (_end == ClientEnd.StillOpen && await ReceiveAsync(deadline.Token))
        {
        }
        return _end;
    }

    /// <summary>Reads until at least so many bytes are unread, for what is not HTTP (a switched protocol).</summary>
    public async Task<byte[]> ReadBytesAsync(int count)
    {
        using var deadline = Deadline(Patience);
        while (_unread.Length < count && _end == ClientEnd.StillOpen && await ReceiveAsync(deadline.Token))
        {
        }
        var bytes = _unread;
        _unread = [];
        return bytes;
    }

    /// <summary>Ends the connection as a crashed client does.</summary>
    public void Reset()
    {
        _socket.LingerState = new LingerOption(true, 0);
        _socket.Close();
    }

    public ValueTask DisposeAsync()
    {
        _socket.Dispose();
        return ValueTask.CompletedTask;
    }

    private async Task<bool> ReceiveAsync(CancellationToken deadline)
    {
        try
        {
            var count = await _socket.ReceiveAsync(_buffer, deadline);
            if (count == 0)
                _end = ClientEnd.Closed;
            _unread = [.. _unread, .. _buffer.AsSpan(0, count)];
            return true;
        }
        catch (SocketException)
        {
            _end = ClientEnd.Reset;
            return true;
        }
        catch (OperationCanceledException) when (!_cancellation.IsCancellationRequested)
        {
            return false;
        }
    }

    private CancellationTokenSource Deadline(TimeSpan patience)
    {
        var source = CancellationTokenSource.CreateLinkedTokenSource(_cancellation);
        source.CancelAfter(patience);
        return source;
    }
}
