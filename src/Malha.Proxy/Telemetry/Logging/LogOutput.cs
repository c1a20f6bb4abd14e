namespace Malha.Proxy.Telemetry.Logging;

/// <summary>
/// Where log lines go: one thread writes what gathers in the ring, many lines in one system call. Whoever logs never waits for the reader of the
/// log; when it is too slow, lines are dropped and counted, requests before events.
/// </summary>
internal sealed class LogOutput : IDisposable
{
    /// <summary>A tenth of a second of 20,000 requests per second, 400 bytes each.</summary>
    private const int DefaultCapacity = 1024 * 1024;

    /// <summary>Lines gather for so long: nobody who reads along notices, and at 1,000 requests per second it saves 19 of 20 system calls.</summary>
    private static readonly TimeSpan Gathering = TimeSpan.FromMilliseconds(20);

    private readonly Stream _stream;
    private readonly LineRing _ring;
    private readonly byte[] _batch;
    private readonly AutoResetEvent _wake = new(false);
    private readonly Lock _writing = new();
    private readonly Thread _thread;
    private int _asleep;
    private int _filling;
    private bool _stopping;
    private long _lines;
    private long _dropped;
    private long _told;

    /// <param name="stream">Written by one thread only; closed by nobody here.</param>
    /// <param name="isTerminal">Whether a person reads it.</param>
    /// <param name="capacity">Bytes of lines that may wait; a power of two.</param>
    public LogOutput(Stream stream, bool isTerminal, int capacity = DefaultCapacity)
    {
        _stream = stream;
        IsTerminal = isTerminal;
        _ring = new LineRing(capacity);
        _batch = new byte[Math.Max(64 * 1024, _ring.MaxLine)];
        _thread = new Thread(Run) { IsBackground = true, Name = "malha log" };
        _thread.Start();
    }

    public bool IsTerminal { get; }

    /// <summary>Lines taken.</summary>
    public long Lines => Interlocked.Read(ref _lines);

    /// <summary>Lines that found no room, or could not be written.</summary>
    public long Dropped => Interlocked.Read(ref _dropped);

    /// <summary>Writes the line that says how many were dropped into the buffer and returns its length.</summary>
    public DropNotice? Notice { get; set; }

    /// <summary>Hands a line on, with its line end. An eighth of the room is left to important ones.</summary>
    public void Write(ReadOnlySpan<byte> line, bool important = false)
    {
        if (!_ring.TryWrite(line, important ? 0 : _ring.Capacity / 8))
        {
            Interlocked.Increment(ref _dropped);
            return;
        }
        Interlocked.Increment(ref _lines);
        // The line was claimed, with a full fence, before this reads the flag; the thread sets the flag before it looks for lines. One sees the other.
        if (Volatile.Read(ref _asleep) != 0 && Interlocked.Exchange(ref _asleep, 0) != 0)
            _wake.Set();
        else if (_ring.Used > _ring.Capacity / 2 && Interlocked.Exchange(ref _filling, 1) == 0)
            _wake.Set();
    }

    /// <summary>Returns when all that was handed on before has been written, or after the given time.</summary>
    public bool Flush(TimeSpan patience)
    {
        var target = _ring.Claimed;
        if (!_writing.TryEnter(patience))
            return false;
        try
        {
            Drain();
        }
        finally
        {
            _writing.Exit();
        }
        return _ring.Taken >= target;
    }

    /// <summary>Writes what is left, if the reader takes it within two seconds. Lines that come later are lost, and harm nobody: for them the event stays.</summary>
    public void Dispose()
    {
        Volatile.Write(ref _stopping, true);
        _wake.Set();
        _thread.Join(TimeSpan.FromSeconds(2));
    }

    private void Run()
    {
        while (!Volatile.Read(ref _stopping))
        {
            if (IsIdle())
                _wake.WaitOne();
            // Also the answer to a line that is claimed and not yet copied.
            if (!Volatile.Read(ref _stopping))
                _wake.WaitOne(Gathering);
            lock (_writing)
                Drain();
        }
        // It may have been told to stop before it had begun.
        lock (_writing)
            Drain();
    }

    private bool IsIdle()
    {
        if (_ring.Used > 0)
            return false;
        Interlocked.Exchange(ref _asleep, 1);
        // The wake-up of a line that came in between may already be on its way: it only ends the wait early.
        return _ring.Used == 0 || Interlocked.Exchange(ref _asleep, 0) == 0;
    }

    // Under the lock: the ring has one reader.
    private void Drain()
    {
        Volatile.Write(ref _filling, 0);
        for (int length; (length = _ring.Read(_batch)) > 0;)
            Put(_batch.AsSpan(0, length));
        var dropped = Dropped;
        if (dropped == _told || Notice is not { } notice)
            return;
        Put(_batch.AsSpan(0, notice(_batch, dropped - _told)));
        _told = dropped;
    }

    private void Put(ReadOnlySpan<byte> bytes)
    {
        try
        {
            _stream.Write(bytes);
            _stream.Flush();
        }
        catch (Exception exception) when (exception is IOException or ObjectDisposedException or UnauthorizedAccessException)
        {
            // A full disk, a reader that has gone: the traffic goes on, and the count tells.
            Interlocked.Add(ref _dropped, bytes.Count((byte)'\n'));
        }
    }
}

/// <summary>Writes a line that says how many lines were dropped; returns its length.</summary>
internal delegate int DropNotice(Span<byte> buffer, long dropped);
