using System.Net.Sockets;

namespace Malha.Bench.Overload.Load;

/// <summary>
/// A client's connection: connect, send, receive, one attempt at a time. Errors are values (no exception per abandoned call), and
/// a connection that was closed under an operation simply reports it.
/// </summary>
internal sealed class Connection(Target target) : SocketAsyncEventArgs(true)
{
    private const int BufferBytes = 4096;

    private readonly Socket _socket = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
    private readonly byte[] _buffer = new byte[BufferBytes];
    private Attempt? _attempt;
    private Step _step = Step.Connect;
    private bool _used;
    private int _received;

    private enum Step
    {
        Connect,
        Send,
        Receive,
    }

    public void Begin(Attempt attempt)
    {
        _attempt = attempt;
        _received = 0;
        _step = _used ? Step.Send : Step.Connect;
        Run();
    }

    public void Close() => _socket.Dispose();

    protected override void OnCompleted(SocketAsyncEventArgs e)
    {
        if (Took())
            Run();
    }

    private void Run()
    {
        try
        {
            while (!StartStep())
            {
                if (!Took())
                    return;
            }
        }
        catch (ObjectDisposedException)
        {
            // The client gave up between two steps.
            Fail();
        }
    }

    /// <summary>True: the step is pending and OnCompleted goes on.</summary>
    private bool StartStep()
    {
        switch (_step)
        {
            case Step.Connect:
                RemoteEndPoint = target.EndPoint;
                return _socket.ConnectAsync(this);
            case Step.Send:
                SetBuffer(target.Request);
                return _socket.SendAsync(this);
            default:
                SetBuffer(_buffer.AsMemory(_received));
                return _socket.ReceiveAsync(this);
        }
    }

    /// <summary>Takes the step's result. False: the attempt has ended.</summary>
    private bool Took()
    {
        if (SocketError != SocketError.Success)
            return Fail();
        switch (_step)
        {
            case Step.Connect:
                _step = Step.Send;
                return true;
            case Step.Send:
                _used = true;
                _step = Step.Receive;
                return BytesTransferred == target.Request.Length || Fail();
            default:
                _received += BytesTransferred;
                if (BytesTransferred == 0)
                    return Fail();
                if (Answer.TryRead(_buffer.AsSpan(0, _received), out var answer))
                    return End(answer);
                return _received < BufferBytes || Fail();
        }
    }

    private bool End(Answer answer)
    {
        var attempt = _attempt!;
        if (!attempt.TryEnd())
            return false;
        if (answer.KeepsAlive)
            target.Give(this);
        else
            Close();
        if (answer.Status == 0)
            attempt.Failed();
        else
            attempt.Answered(answer.Status);
        return false;
    }

    private bool Fail()
    {
        var attempt = _attempt!;
        if (!attempt.TryEnd())
            return false;
        Close();
        attempt.Failed();
        return false;
    }
}
