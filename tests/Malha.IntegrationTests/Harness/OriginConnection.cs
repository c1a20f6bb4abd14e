using System.Globalization;
using System.Net.Sockets;

namespace Malha.IntegrationTests.Harness;

/// <summary>One connection to the <see cref="RecordingOrigin"/>: keeps every byte, reads requests strictly, echoes or plays a script.</summary>
internal sealed class OriginConnection(RecordingOrigin origin, int id, Socket socket)
{
    // The origin's own lock: a request moves from this connection's bytes to the origin's list in one step.
    private readonly Lock _lock = origin.Gate;
    private readonly TaskCompletionSource _closed = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private byte[] _unread = [];
    private long _received;
    private bool _isBusy;
    private bool _hasTunnel;
    private bool _promised;
    private bool _answered;
    private string? _fault;

    public int Id => id;

    /// <summary>Ends when the proxy has ended this connection (or it was ended from here).</summary>
    public Task Closed => _closed.Task;

    public long Received
    {
        get
        {
            lock (_lock)
                return _received;
        }
    }

    public OriginLeftover Leftover
    {
        get
        {
            lock (_lock)
                return new OriginLeftover(id, _hasTunnel ? [] : _unread, _fault);
        }
    }

    /// <summary>Whether all that has arrived is in the record. Only under the origin's lock.</summary>
    public bool IsSettled => _closed.Task.IsCompleted || (!_isBusy && !HasArrivals);

    private bool HasArrivals
    {
        get
        {
            try
            {
                return socket.Available > 0;
            }
            catch (Exception exception) when (exception is SocketException or ObjectDisposedException)
            {
                return false;
            }
        }
    }

    public async Task RunAsync()
    {
        try
        {
            socket.NoDelay = true;
            var buffer = new byte[64 * 1024];
            do
            {
                // Waits without taking: what is taken is recorded under the same lock, so that nothing is ever between the two.
                await socket.ReceiveAsync(Memory<byte>.Empty);
            }
            while (Receive(buffer) && await AnswerAllAsync());
        }
        catch (Exception exception) when (exception is SocketException or ObjectDisposedException)
        {
            // A connection that breaks is what this server is here for.
        }
        finally
        {
            _closed.TrySetResult();
            socket.Dispose();
        }
    }

    public void Stop() => socket.Dispose();

    private bool Receive(byte[] buffer)
    {
        lock (_lock)
        {
            // It may have been woken for bytes that the last receive took along; nobody may wait under this lock.
            if (!socket.Poll(TimeSpan.Zero, SelectMode.SelectRead))
                return true;
            var count = socket.Receive(buffer);
            _received += count;
            _unread = [.. _unread, .. buffer.AsSpan(0, count)];
            _isBusy = count > 0;
            return count > 0;
        }
    }

    /// <summary>Answers every request that is there; false: the connection has to end.</summary>
    private async Task<bool> AnswerAllAsync()
    {
        try
        {
            return await AnswerEachAsync();
        }
        finally
        {
            lock (_lock)
                _isBusy = false;
        }
    }

    private async Task<bool> AnswerEachAsync()
    {
        while (!_hasTunnel && _unread.Length > 0)
        {
            var read = WireReader.Request(_unread);
            if (read.State == WireState.Malformed)
                return await RefuseAsync(read.Fault);
            var script = read.Head is { } head ? origin.ScriptFor(head) : null;
            if (script is { AtHead: true } && !_answered)
            {
                _answered = true;
                await PlayAsync(script, read.Head!);
            }
            if (read.State == WireState.Incomplete)
            {
                await PromiseAsync(read.Head);
                return true;
            }
            var answered = _answered;
            var request = Take(read.Message!);
            if (answered)
                continue;
            await (script != null ? PlayAsync(script, request.Message) : EchoAsync(request));
        }
        return true;
    }

    private OriginRequest Take(WireRequest message)
    {
        lock (_lock)
        {
            _unread = _unread[message.Length..];
            _promised = false;
            _answered = false;
            return origin.Record(id, message);
        }
    }

    private async Task PromiseAsync(WireRequest? head)
    {
        if (head == null || _promised || _answered || !head.HasToken("Expect", "100-continue"))
            return;
        _promised = true;
        await new OriginReply(socket, head).SendAsync(WireText.Bytes("HTTP/1.1 100 Continue\r\n\r\n"));
    }

    private async Task PlayAsync(OriginScript script, WireRequest request)
    {
        var reply = new OriginReply(socket, request);
        await script.Play(reply);
        _hasTunnel = reply.IsTunnel;
    }

    private async Task EchoAsync(OriginRequest request)
    {
        var message = request.Message;
        var lines = message.Fields.Concat(message.Trailers).Select(field => $"{field.Name}: {field.Value}\r\n");
        byte[] body = [.. WireText.Bytes($"{message.Method} {message.Target} {message.Version}\r\n{string.Concat(lines)}\r\n"), .. message.Body];
        var close = message.KeepsConnection ? "" : "Connection: close\r\n";
        var head = $"HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nContent-Length: {body.Length.ToString(CultureInfo.InvariantCulture)}\r\n"
            + $"X-Origin-Connection: {id}\r\nX-Origin-Request: {request.Sequence}\r\n{close}\r\n";
        var reply = new OriginReply(socket, message);
        await reply.SendAsync([.. WireText.Bytes(head), .. message.Method == "HEAD" ? [] : body]);
        if (!message.KeepsConnection)
            reply.Close();
    }

    private async Task<bool> RefuseAsync(string? fault)
    {
        lock (_lock)
            _fault = fault;
        await new OriginReply(socket, null!).SendAsync(WireText.Bytes("HTTP/1.1 400 Bad Request\r\nX-Origin: malformed\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"));
        return false;
    }
}
