namespace Malha.IntegrationTests.Harness;

/// <summary>
/// A place in received bytes. Every read returns null once a fault was found or the bytes ran out, so that a reader can be written straight
/// down. A fault is told as soon as its byte is there, whatever is still missing.
/// </summary>
internal sealed class WireCursor(ReadOnlyMemory<byte> bytes)
{
    public int Position { get; private set; }

    public string? Fault { get; private set; }

    public bool IsStarved { get; private set; }

    public WireState State => Fault != null ? WireState.Malformed : IsStarved ? WireState.Incomplete : WireState.Complete;

    private bool IsStopped => State != WireState.Complete;

    /// <summary>A line that ends in CRLF and holds no control byte but HTAB.</summary>
    public string? Line()
    {
        if (IsStopped)
            return null;
        var rest = bytes.Span[Position..];
        for (var i = 0; i < rest.Length; i++)
        {
            if (rest[i] == '\r')
                return EndLine(rest, i);
            if (rest[i] == '\n')
                return Fail<string>("a bare LF");
            if ((rest[i] < 0x20 && rest[i] != '\t') || rest[i] == 0x7f)
                return Fail<string>($"control byte 0x{rest[i]:x2}");
        }
        IsStarved = true;
        return null;
    }

    public byte[]? Take(long count)
    {
        if (IsStopped)
            return null;
        if (count > bytes.Length - Position)
        {
            IsStarved = true;
            return null;
        }
        var taken = bytes.Span.Slice(Position, (int)count).ToArray();
        Position += (int)count;
        return taken;
    }

    /// <summary>The CRLF behind a chunk's data.</summary>
    public void LineEnd()
    {
        if (!IsStopped && Position < bytes.Length && bytes.Span[Position] != '\r')
            Fail<string>("bytes after the end of a chunk");
        if (Line() is { Length: > 0 })
            Fail<string>("bytes after the end of a chunk");
    }

    public byte[] Rest()
    {
        var rest = bytes.Span[Position..].ToArray();
        Position = bytes.Length;
        return rest;
    }

    public T? Fail<T>(string fault)
        where T : class
    {
        Fault ??= fault;
        return null;
    }

    private string? EndLine(ReadOnlySpan<byte> rest, int end)
    {
        if (end + 1 == rest.Length)
        {
            IsStarved = true;
            return null;
        }
        if (rest[end + 1] != '\n')
            return Fail<string>("a bare CR");
        Position += end + 2;
        return WireText.Text(rest[..end]);
    }
}
