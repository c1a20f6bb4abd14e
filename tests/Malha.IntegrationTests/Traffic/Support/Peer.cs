using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography;
using Malha.IntegrationTests.Harness;

namespace Malha.IntegrationTests.Traffic.Support;

/// <summary>
/// One end of a connection, a client's or a server's, that does exactly what a test tells it. Every wait ends after <see cref="Patience"/>
/// with an exception that says what was waited for.
/// </summary>
internal sealed class Peer : IAsyncDisposable
{
    /// <summary>Far above what a loaded two-core machine needs.</summary>
    public static readonly TimeSpan Patience = TimeSpan.FromSeconds(20);

    private readonly Socket _socket;
    private readonly Stream? _stream;
    private byte[] _buffer = new byte[16 * 1024];
    private int _start;
    private int _end;

    /// <param name="socket">A connected socket; it is closed with this.</param>
    /// <param name="stream">What is read and written instead of it (TLS).</param>
    public Peer(Socket socket, Stream? stream = null)
    {
        _socket = socket;
        _socket.NoDelay = true;
        _stream = stream;
    }

    public ReadOnlyMemory<byte> Unread => _buffer.AsMemory(_start, _end - _start);

    /// <summary>How the other side ended the connection, as far as is known.</summary>
    public ClientEnd End { get; private set; } = ClientEnd.StillOpen;

    public Socket Socket => _socket;

    public static Task<Peer> ConnectAsync(int port) => ConnectAsync(new IPEndPoint(IPAddress.Loopback, port));

    public static async Task<Peer> ConnectAsync(IPEndPoint address, int? receiveBuffer = null)
    {
        var socket = new Socket(address.AddressFamily, SocketType.Stream, ProtocolType.Tcp);
        if (receiveBuffer is { } size)
            socket.ReceiveBufferSize = size;
        try
        {
            await socket.ConnectAsync(address, TestContext.Current.CancellationToken).AsTask().WaitAsync(Patience);
            return new Peer(socket);
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }

    public Task SendAsync(string text) => SendAsync(WireText.Bytes(text));

    public async Task SendAsync(ReadOnlyMemory<byte> bytes)
    {
        if (_stream is not null)
        {
            await _stream.WriteAsync(bytes).AsTask().WaitAsync(Patience);
            return;
        }
        while (bytes.Length > 0)
            bytes = bytes[await _socket.SendAsync(bytes).AsTask().WaitAsync(Patience)..];
    }

    /// <summary>False when the other side has ended the connection.</summary>
    public async Task<bool> TrySendAsync(ReadOnlyMemory<byte> bytes)
    {
        try
        {
            await SendAsync(bytes);
            return true;
        }
        catch (Exception exception) when (exception is SocketException or IOException)
        {
            return false;
        }
    }

    /// <summary>The next head with its empty line; null when the connection ends before it is whole.</summary>
    public async Task<string?> ReadHeadAsync()
    {
        while (true)
        {
            var at = Unread.Span.IndexOf("\r\n\r\n"u8);
            if (at >= 0)
                return WireText.Text(Take(at + 4));
            if (!await ReceiveAsync("a head"))
                return null;
        }
    }

    /// <summary>Exactly so many bytes; fewer only when the connection ends.</summary>
    public async Task<byte[]> ReadAsync(int count)
    {
        while (Unread.Length < count && await ReceiveAsync($"{count} bytes"))
        {
        }
        return Take(Math.Min(count, Unread.Length));
    }

    public async Task<string> ReadTextAsync(int count) => WireText.Text(await ReadAsync(count));

    /// <summary>Reads up to a text, which is part of what is returned.</summary>
    public async Task<string> ReadUntilAsync(string text)
    {
        var bytes = WireText.Bytes(text);
        while (Unread.Span.IndexOf(bytes) < 0)
        {
            if (!await ReceiveAsync($"\"{text}\""))
                Assert.Fail($"the connection ended before \"{text}\": {WireText.Show(Unread.Span)}");
        }
        return WireText.Text(Take(Unread.Span.IndexOf(bytes) + bytes.Length));
    }

    /// <summary>A whole final answer; 1xx ones before it are passed over.</summary>
    public async Task<WireAnswer> ReadAnswerAsync(string method = "GET")
    {
        while (true)
        {
            var answer = await ReadAnyAnswerAsync(method);
            if (answer.Status is >= 200 or 101)
                return answer;
        }
    }

    /// <summary>A whole answer, an interim one too.</summary>
    public async Task<WireAnswer> ReadAnyAnswerAsync(string method = "GET")
    {
        while (true)
        {
            var read = WireReader.Answer(Unread, method, End != ClientEnd.StillOpen);
            if (read.State == WireState.Complete && !(read.Message!.EndsWithConnection && End == ClientEnd.Reset))
            {
                Take(read.Message.Length);
                return read.Message;
            }
            Assert.True(read.State == WireState.Incomplete, $"{read.Fault}: {WireText.Show(Unread.Span)}");
            Assert.True(End == ClientEnd.StillOpen, $"the connection ended ({End}) within the answer: {WireText.Show(Unread.Span)}");
            await ReceiveAsync("an answer");
        }
    }

    /// <summary>A whole request; null when the connection ends before one begins.</summary>
    public async Task<WireRequest?> ReadRequestAsync()
    {
        while (true)
        {
            var read = WireReader.Request(Unread);
            if (read.State == WireState.Complete)
            {
                Take(read.Message!.Length);
                return read.Message;
            }
            if (!await ReceiveAsync("a request"))
                return null;
        }
    }

    /// <summary>Reads and hashes so many bytes, without keeping them. The count is smaller when the connection ended.</summary>
    public async Task<long> HashAsync(long count, IncrementalHash hash)
    {
        for (var left = count; left > 0;)
        {
            if (Unread.Length == 0 && !await ReceiveAsync($"{left} of {count} bytes"))
                return count - left;
            var piece = Unread.Span[..(int)Math.Min(left, Unread.Length)];
            hash.AppendData(piece);
            left -= piece.Length;
            _start += piece.Length;
        }
        return count;
    }

    /// <summary>Reads and hashes a chunked body, the last chunk and an empty trailer section included; the data's length.</summary>
    public async Task<long> HashChunkedAsync(IncrementalHash hash)
    {
        for (var total = 0L; ;)
        {
            var line = await ReadUntilAsync("\r\n");
            var size = long.Parse(line.AsSpan().TrimEnd(), NumberStyles.HexNumber, CultureInfo.InvariantCulture);
            if (size == 0)
            {
                Assert.Equal("\r\n", await ReadTextAsync(2));
                return total;
            }
            Assert.Equal(size, await HashAsync(size, hash));
            Assert.Equal("\r\n", await ReadTextAsync(2));
            total += size;
        }
    }

    /// <summary>Reads on, keeping everything in <see cref="Unread"/>, until the other side ends the connection.</summary>
    public async Task<ClientEnd> ReadToEndAsync()
    {
        while (await ReceiveAsync("the connection's end"))
        {
        }
        return End;
    }

    /// <summary>Reads and forgets until the other side ends the connection; how much came.</summary>
    public async Task<long> DrainAsync()
    {
        long drained = Unread.Length;
        _start = _end;
        while (await ReceiveAsync("the connection's end"))
        {
            drained += Unread.Length;
            _start = _end;
        }
        return drained;
    }

    /// <summary>Receives once. False at the connection's end.</summary>
    public async Task<bool> ReceiveAsync(string what)
    {
        if (End != ClientEnd.StillOpen)
            return false;
        MakeRoom();
        try
        {
            var receiving = _stream is null ? _socket.ReceiveAsync(_buffer.AsMemory(_end)) : _stream.ReadAsync(_buffer.AsMemory(_end));
            var count = await receiving.AsTask().WaitAsync(Patience, TestContext.Current.CancellationToken);
            if (count == 0)
                End = ClientEnd.Closed;
            _end += count;
        }
        catch (Exception exception) when (exception is SocketException or IOException)
        {
            End = ClientEnd.Reset;
        }
        catch (TimeoutException)
        {
            throw new TimeoutException($"waited {Patience.TotalSeconds} s for {what}; there is: {WireText.Show(Unread.Span)}");
        }
        return End == ClientEnd.StillOpen;
    }

    /// <summary>Says that nothing more will come as TLS wants it, and then as TCP does.</summary>
    public async Task FinishSecuredAsync()
    {
        await ((System.Net.Security.SslStream)_stream!).ShutdownAsync().WaitAsync(Patience);
        FinishSending();
    }

    /// <summary>Says that nothing more will come: a FIN.</summary>
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

    /// <summary>Ends the connection as a killed process does: a RST.</summary>
    public void Reset()
    {
        _socket.LingerState = new LingerOption(true, 0);
        _socket.Dispose();
    }

    public async ValueTask DisposeAsync()
    {
        if (_stream is not null)
            await _stream.DisposeAsync();
        _socket.Dispose();
    }

    private byte[] Take(int count)
    {
        var taken = Unread[..count].ToArray();
        _start += count;
        return taken;
    }

    private void MakeRoom()
    {
        if (_start == _end)
            _start = _end = 0;
        if (_end < _buffer.Length)
            return;
        var unread = Unread;
        var target = unread.Length > _buffer.Length / 2 ? new byte[_buffer.Length * 2] : _buffer;
        unread.CopyTo(target);
        _buffer = target;
        _end = unread.Length;
        _start = 0;
    }
}
