using System.Buffers;
using System.Buffers.Text;
using System.Globalization;
using System.Text;

namespace Malha.Proxy.Telemetry.Logging;

/// <summary>How lines look.</summary>
internal enum LogStyle : byte
{
    /// <summary>One JSON object on each line.</summary>
    Json,

    /// <summary>For people.</summary>
    Text,

    /// <summary>For people at a terminal.</summary>
    Coloured,
}

/// <summary>
/// Writes UTF-8 into a buffer without allocating. What comes from outside is escaped: a log line is always one line of valid UTF-8, and
/// nothing in it steers a terminal or reorders what a person sees. When the buffer is full the rest is left out.
/// </summary>
internal ref struct LogText(Span<byte> buffer)
{
    // Everything that JSON takes as it is, of ASCII.
    private static readonly SearchValues<byte> Plain =
        SearchValues.Create([.. Enumerable.Range(0x20, 0x7F - 0x20).Select(value => (byte)value).Where(value => value is not ((byte)'"' or (byte)'\\'))]);

    private readonly Span<byte> _buffer = buffer;

    public int Length { get; private set; }

    /// <summary>Text of our own.</summary>
    public void Write(scoped ReadOnlySpan<byte> bytes)
    {
        bytes = bytes[..Math.Min(bytes.Length, _buffer.Length - Length)];
        bytes.CopyTo(_buffer[Length..]);
        Length += bytes.Length;
    }

    public void Number(long number)
    {
        if (Utf8Formatter.TryFormat(number, _buffer[Length..], out var written))
            Length += written;
    }

    /// <summary>Milliseconds with three decimals.</summary>
    public void Milliseconds(TimeSpan duration)
    {
        var microseconds = Math.Max(0, duration.Ticks / TimeSpan.TicksPerMicrosecond);
        Number(microseconds / 1000);
        Write("."u8);
        Digits((int)(microseconds % 1000), 3);
    }

    public void Double(double number)
    {
        if (number.TryFormat(_buffer[Length..], out var written, default, CultureInfo.InvariantCulture))
            Length += written;
    }

    /// <summary><c>2026-01-31T12:34:56.789Z</c></summary>
    public void Instant(DateTimeOffset time)
    {
        var utc = time.UtcDateTime;
        Digits(utc.Year, 4);
        Write("-"u8);
        Digits(utc.Month, 2);
        Write("-"u8);
        Digits(utc.Day, 2);
        Write("T"u8);
        TimeOfDay(utc);
        Write("Z"u8);
    }

    /// <summary><c>12:34:56.789</c></summary>
    public void TimeOfDay(DateTime time)
    {
        Digits(time.Hour, 2);
        Write(":"u8);
        Digits(time.Minute, 2);
        Write(":"u8);
        Digits(time.Second, 2);
        Write("."u8);
        Digits(time.Millisecond, 3);
    }

    /// <summary>Spaces up to a column, counted from a place in the line.</summary>
    public void Pad(int from, int width)
    {
        while (Length - from < width && Length < _buffer.Length)
            _buffer[Length++] = (byte)' ';
    }

    /// <summary>Text from outside, as it may stand between the quotation marks of JSON.</summary>
    /// <param name="bytes">Any bytes. What is not UTF-8 becomes U+FFFD.</param>
    /// <param name="most">Bytes that it may take, escapes included; longer text is cut and ends in an ellipsis.</param>
    /// <returns>False when it was cut.</returns>
    public bool Escaped(scoped ReadOnlySpan<byte> bytes, int most)
    {
        var end = Math.Min(Length + most, _buffer.Length) - "…"u8.Length;
        Span<byte> escape = stackalloc byte[12];
        while (!bytes.IsEmpty)
        {
            var run = bytes.IndexOfAnyExcept(Plain);
            run = run < 0 ? bytes.Length : run;
            if (run > end - Length)
            {
                Write(bytes[..Math.Max(0, end - Length)]);
                Write("…"u8);
                return false;
            }
            Write(bytes[..run]);
            bytes = bytes[run..];
            if (bytes.IsEmpty)
                return true;

            // Invalid bytes come back as the replacement character, each maximal run of them once.
            Rune.DecodeFromUtf8(bytes, out var rune, out var consumed);
            var length = Escape(rune, escape);
            if (length > end - Length)
            {
                Write("…"u8);
                return false;
            }
            Write(escape[..length]);
            bytes = bytes[consumed..];
        }
        return true;
    }

    /// <inheritdoc cref="Escaped(ReadOnlySpan{byte}, int)"/>
    public bool Escaped(string text, int most)
    {
        // A stretch at a time, so that no length needs a buffer of its own; a surrogate pair is not split.
        Span<byte> utf8 = stackalloc byte[384];
        var end = Length + most;
        var rest = text.AsSpan();
        while (!rest.IsEmpty)
        {
            var count = Math.Min(rest.Length, utf8.Length / 3);
            if (count < rest.Length && char.IsHighSurrogate(rest[count - 1]))
                count--;
            var length = Encoding.UTF8.GetBytes(rest[..count], utf8);
            if (!Escaped(utf8[..length], end - Length))
                return false;
            rest = rest[count..];
        }
        return true;
    }

    /// <summary><c>"name":</c>, after a comma.</summary>
    public void Key(scoped ReadOnlySpan<byte> name)
    {
        Write(",\""u8);
        Write(name);
        Write("\":"u8);
    }

    /// <summary>A member whose value is text from outside; left out when it is empty.</summary>
    public void Member(scoped ReadOnlySpan<byte> name, scoped ReadOnlySpan<byte> value, int most)
    {
        if (value.IsEmpty)
            return;
        Key(name);
        Write("\""u8);
        Escaped(value, most);
        Write("\""u8);
    }

    /// <inheritdoc cref="Member(ReadOnlySpan{byte}, ReadOnlySpan{byte}, int)"/>
    public void Member(scoped ReadOnlySpan<byte> name, string? value, int most)
    {
        if (string.IsNullOrEmpty(value))
            return;
        Key(name);
        Write("\""u8);
        Escaped(value, most);
        Write("\""u8);
    }

    private static int Escape(Rune rune, Span<byte> escape)
    {
        switch (rune.Value)
        {
            case '"' or '\\':
                escape[0] = (byte)'\\';
                escape[1] = (byte)rune.Value;
                return 2;
            case '\n':
                return Short(escape, (byte)'n');
            case '\r':
                return Short(escape, (byte)'r');
            case '\t':
                return Short(escape, (byte)'t');
        }
        // Controls and what is unseen but acts: bidirectional overrides, joiners, line and paragraph separators, unassigned code points.
        var isSeen = Rune.GetUnicodeCategory(rune) is not (UnicodeCategory.Control or UnicodeCategory.Format or UnicodeCategory.LineSeparator
            or UnicodeCategory.ParagraphSeparator or UnicodeCategory.PrivateUse or UnicodeCategory.OtherNotAssigned);
        if (isSeen)
            return rune.EncodeToUtf8(escape);
        Span<char> units = stackalloc char[2];
        var count = rune.EncodeToUtf16(units);
        for (var index = 0; index < count; index++)
        {
            escape[index * 6] = (byte)'\\';
            escape[(index * 6) + 1] = (byte)'u';
            Utf8Formatter.TryFormat(units[index], escape[((index * 6) + 2)..], out _, new StandardFormat('x', 4));
        }
        return count * 6;
    }

    private static int Short(Span<byte> escape, byte letter)
    {
        escape[0] = (byte)'\\';
        escape[1] = letter;
        return 2;
    }

    private void Digits(int value, int count)
    {
        if (_buffer.Length - Length < count)
            return;
        for (var at = Length + count - 1; at >= Length; at--)
        {
            _buffer[at] = (byte)('0' + (value % 10));
            value /= 10;
        }
        Length += count;
    }
}
