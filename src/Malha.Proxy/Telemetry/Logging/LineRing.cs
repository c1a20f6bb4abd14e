using System.Numerics;
using System.Runtime.CompilerServices;

namespace Malha.Proxy.Telemetry.Logging;

/// <summary>
/// A bounded ring of lines from many threads to one: a writer never waits and never allocates. When there is no room it is told so.
/// </summary>
/// <remarks>
/// The ring of Agrona's ManyToOneRingBuffer: a writer claims its stretch by moving the tail, copies its line, and publishes it by writing the
/// length before it last. The reader stops at the first length that is still zero, and clears what it has read before it moves the head,
/// so that a claimed stretch always begins with zero. A stretch that would wrap around is preceded by padding (a negative length).
/// Lines come out in the order in which they were claimed.
/// </remarks>
internal sealed class LineRing
{
    private const int Alignment = 8;
    private const int Header = sizeof(int);

    private readonly byte[] _bytes;
    private readonly int _mask;
    private Position _head;
    private Position _tail;

    /// <param name="capacity">In bytes; a power of two.</param>
    public LineRing(int capacity)
    {
        if (!BitOperations.IsPow2(capacity) || capacity < 1024)
            throw new ArgumentOutOfRangeException(nameof(capacity));
        _bytes = new byte[capacity];
        _mask = capacity - 1;
        MaxLine = capacity / 8;
    }

    public int Capacity => _bytes.Length;

    /// <summary>The longest line that is taken; whoever reads has room for it.</summary>
    public int MaxLine { get; }

    /// <summary>Bytes that are taken, headers and padding included.</summary>
    public int Used => (int)Math.Max(0, Volatile.Read(ref _tail.Value) - Volatile.Read(ref _head.Value));

    /// <summary>Behind the last line that was claimed, counted from the ring's beginning.</summary>
    public long Claimed => Volatile.Read(ref _tail.Value);

    /// <summary>Behind the last line that was read, counted alike.</summary>
    public long Taken => Volatile.Read(ref _head.Value);

    /// <summary>Appends a line, unless it is empty or too long, or fewer than <paramref name="reserve"/> bytes would then be free.</summary>
    public bool TryWrite(ReadOnlySpan<byte> line, int reserve = 0)
    {
        if (line.IsEmpty || line.Length > MaxLine)
            return false;
        var needed = Stretch(line.Length);
        long tail;
        int padding;
        do
        {
            tail = Volatile.Read(ref _tail.Value);
            var free = _bytes.Length - (int)(tail - Volatile.Read(ref _head.Value));
            var toEnd = _bytes.Length - (int)(tail & _mask);
            padding = needed > toEnd ? toEnd : 0;
            if (needed + padding + reserve > free)
                return false;
        }
        while (Interlocked.CompareExchange(ref _tail.Value, tail + padding + needed, tail) != tail);

        var at = (int)(tail & _mask);
        if (padding > 0)
        {
            Volatile.Write(ref LengthAt(at), -padding);
            at = 0;
        }
        line.CopyTo(_bytes.AsSpan(at + Header));
        Volatile.Write(ref LengthAt(at), line.Length);
        return true;
    }

    /// <summary>Moves as many whole lines as fit into the buffer. One thread at a time.</summary>
    /// <returns>Bytes read; 0 when no line is ready.</returns>
    public int Read(Span<byte> buffer)
    {
        var count = 0;
        while (true)
        {
            var at = (int)(_head.Value & _mask);
            var length = Volatile.Read(ref LengthAt(at));
            if (length == 0 || length > buffer.Length - count)
                return count;
            var stretch = length < 0 ? -length : Stretch(length);
            if (length > 0)
                _bytes.AsSpan(at + Header, length).CopyTo(buffer[count..]);
            _bytes.AsSpan(at, stretch).Clear();
            Volatile.Write(ref _head.Value, _head.Value + stretch);
            count += Math.Max(length, 0);
        }
    }

    // Stretches are whole alignments, so that a length always fits before the end.
    private static int Stretch(int length) => (Header + length + Alignment - 1) & -Alignment;

    private ref int LengthAt(int at) => ref Unsafe.As<byte, int>(ref _bytes[at]);

    /// <summary>Head and tail are written by different cores.</summary>
    [System.Runtime.InteropServices.StructLayout(System.Runtime.InteropServices.LayoutKind.Explicit, Size = 192)]
    private struct Position
    {
        [System.Runtime.InteropServices.FieldOffset(64)]
        public long Value;
    }
}
