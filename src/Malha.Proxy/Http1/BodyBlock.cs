namespace Malha.Proxy.Http1;

/// <summary>A piece of a body in somebody's buffer, valid until the next one is read.</summary>
/// <param name="Array">Has <see cref="ChunkFraming.Headroom"/> free bytes before the piece and <see cref="ChunkFraming.Tailroom"/> after it.</param>
/// <param name="Start">Its first byte.</param>
/// <param name="Length">May be 0 at the end of the body.</param>
/// <param name="Last">Whether the body ends with it.</param>
internal readonly record struct BodyBlock(byte[] Array, int Start, int Length, bool Last)
{
    public ReadOnlyMemory<byte> Memory => Array.AsMemory(Start, Length);

    public ReadOnlySpan<byte> Span => Array.AsSpan(Start, Length);
}

/// <summary>Puts the chunked coding around a piece of a body without copying it.</summary>
internal static class ChunkFraming
{
    /// <summary>Up to eight hex digits and CRLF.</summary>
    public const int Headroom = 10;

    /// <summary>CRLF and a last chunk without trailers.</summary>
    public const int Tailroom = 7;

    public static ReadOnlySpan<byte> End => "0\r\n\r\n"u8;

    /// <summary>Writes the framing into the room around the block, with the last chunk when it is the last and <paramref name="close"/> is set.</summary>
    public static ReadOnlyMemory<byte> Around(in BodyBlock block, bool close)
    {
        var start = block.Start;
        var end = block.Start + block.Length;
        if (block.Length > 0)
        {
            block.Array[--start] = HttpSyntax.LF;
            block.Array[--start] = HttpSyntax.CR;
            var size = block.Length;
            do
            {
                block.Array[--start] = Digit(size & 15);
                size >>= 4;
            }
            while (size != 0);
            block.Array[end++] = HttpSyntax.CR;
            block.Array[end++] = HttpSyntax.LF;
        }
        if (close)
        {
            End.CopyTo(block.Array.AsSpan(end));
            end += End.Length;
        }
        return block.Array.AsMemory(start, end - start);
    }

    private static byte Digit(int value) => (byte)(value < 10 ? '0' + value : 'a' + value - 10);
}
