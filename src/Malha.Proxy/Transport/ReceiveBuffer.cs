using System.Buffers;

namespace Malha.Proxy.Transport;

/// <summary>What a connection has received and not used yet: one contiguous array, since heads are parsed in place.</summary>
internal sealed class ReceiveBuffer(int initialSize)
{
    public byte[] Array { get; private set; } = [];

    /// <summary>First unread byte.</summary>
    public int Start { get; private set; }

    /// <summary>Behind the last one received.</summary>
    public int End { get; private set; }

    public bool IsEmpty => Start == End;

    public int Length => End - Start;

    public Span<byte> Unread => Array.AsSpan(Start, End - Start);

    /// <summary>Where the next bytes go. Empty when the array is full.</summary>
    public Memory<byte> Room => Array.AsMemory(End);

    public void Received(int count) => End += count;

    public void Consume(int count) => Start += count;

    /// <summary>Makes the unread bytes the first ones. Nothing may point into the array, and no receive be under way.</summary>
    public void Compact()
    {
        if (Array.Length == 0)
            Array = ArrayPool<byte>.Shared.Rent(initialSize);
        if (Start == 0)
            return;
        Unread.CopyTo(Array);
        End -= Start;
        Start = 0;
    }

    /// <summary>Doubles the array, up to <paramref name="limit"/> unread bytes. False when that is reached.</summary>
    public bool TryGrow(int limit)
    {
        if (Length >= limit)
            return false;
        Replace(Math.Max(initialSize, Array.Length * 2));
        return true;
    }

    /// <summary>Puts bytes that were read elsewhere at the end: the next message came in behind a body. Nothing may point into the array.</summary>
    public void Append(ReadOnlySpan<byte> bytes)
    {
        if (Array.Length - End < bytes.Length)
            Replace(Length + bytes.Length + initialSize);
        bytes.CopyTo(Array.AsSpan(End));
        End += bytes.Length;
    }

    public void Release()
    {
        if (Array.Length > 0)
            ArrayPool<byte>.Shared.Return(Array);
        Array = [];
        Start = End = 0;
    }

    private void Replace(int size)
    {
        var larger = ArrayPool<byte>.Shared.Rent(size);
        Unread.CopyTo(larger);
        if (Array.Length > 0)
            ArrayPool<byte>.Shared.Return(Array);
        Array = larger;
        End -= Start;
        Start = 0;
    }
}
