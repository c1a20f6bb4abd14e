namespace Malha.Proxy.Http1;

internal enum ParseStatus : byte
{
    NeedMore,
    Complete,
    Fault,
}

/// <summary>The sizes that a head may have.</summary>
internal readonly record struct HeadLimits(int MaxSize, int MaxFields);

/// <summary>
/// Reads request and response heads (RFC 9112) line by line and goes on where it stopped when more has come. Strict: only CRLF ends a line,
/// nothing is repaired, and a fault is told as soon as its bytes are there, without waiting for the line's end.
/// </summary>
internal static class HeadParser
{
    /// <summary>Longer than every registered method.</summary>
    private const int MaxMethod = 32;

    /// <summary>Empty lines before a request line that are passed over (RFC 9112, 2.2).</summary>
    private const int MaxEmptyLines = 2;

    /// <param name="data">Everything from the head's first byte on.</param>
    /// <param name="head">Holds the position between calls.</param>
    /// <param name="limits">Beyond them the head is refused.</param>
    public static ParseStatus ParseRequest(ReadOnlySpan<byte> data, RequestHead head, in HeadLimits limits)
    {
        data = Within(limits.MaxSize, data);
        if (!head.StartLineDone)
        {
            var status = RequestLine(data, head);
            if (status != ParseStatus.Complete)
                return OrTooLarge(status, data, head, limits, HttpFault.TargetTooLong);
        }
        return OrTooLarge(Fields(data, head, limits.MaxFields), data, head, limits, HttpFault.HeadTooLarge);
    }

    /// <inheritdoc cref="ParseRequest"/>
    public static ParseStatus ParseResponse(ReadOnlySpan<byte> data, ResponseHead head, in HeadLimits limits)
    {
        data = Within(limits.MaxSize, data);
        if (!head.StartLineDone)
        {
            var status = StatusLine(data, head);
            if (status != ParseStatus.Complete)
                return OrTooLarge(status, data, head, limits, HttpFault.HeadTooLarge);
        }
        return OrTooLarge(Fields(data, head, limits.MaxFields), data, head, limits, HttpFault.HeadTooLarge);
    }

    /// <summary>Field lines up to and with the empty line: also those of a trailer section.</summary>
    public static ParseStatus Fields(ReadOnlySpan<byte> data, MessageHead head, int maxFields)
    {
        while (true)
        {
            var position = head.Position;
            var line = data[position..];
            if (line.IsEmpty)
                return ParseStatus.NeedMore;
            if (line[0] == HttpSyntax.CR)
            {
                if (line.Length == 1)
                    return ParseStatus.NeedMore;
                if (line[1] != HttpSyntax.LF)
                    return Fail(head, HttpFault.BareLineEnd);
                head.Position = position + 2;
                return ParseStatus.Complete;
            }

            var nameLength = line.IndexOfAnyExcept(HttpSyntax.Token);
            if (nameLength < 0)
                return ParseStatus.NeedMore;
            if (nameLength == 0 || line[nameLength] != (byte)':')
                return Fail(head, NameFault(line[0]));

            var valueStart = nameLength + 1;
            var valueLength = line[valueStart..].IndexOfAny(HttpSyntax.NotFieldValue);
            if (valueLength < 0)
                return ParseStatus.NeedMore;
            var end = valueStart + valueLength;
            if (line[end] != HttpSyntax.CR)
                return Fail(head, line[end] == HttpSyntax.LF ? HttpFault.BareLineEnd : HttpFault.BadHeaderValue);
            if (end + 1 == line.Length)
                return ParseStatus.NeedMore;
            if (line[end + 1] != HttpSyntax.LF)
                return Fail(head, HttpFault.BareLineEnd);
            if (head.Count == maxFields)
                return Fail(head, HttpFault.TooManyHeaders);

            AddField(line, head, position, nameLength, valueStart, valueLength);
            head.Position = position + end + 2;
        }
    }

    private static void AddField(ReadOnlySpan<byte> line, MessageHead head, int position, int nameLength, int valueStart, int valueLength)
    {
        // Optional white space around the value is not part of it (RFC 9112, 5.1).
        var value = line.Slice(valueStart, valueLength);
        while (!value.IsEmpty && value[0] is HttpSyntax.SP or HttpSyntax.HTab)
        {
            value = value[1..];
            valueStart++;
        }
        while (!value.IsEmpty && value[^1] is HttpSyntax.SP or HttpSyntax.HTab)
            value = value[..^1];
        head.Add(new Slice(position, nameLength), new Slice(position + valueStart, value.Length), KnownHeaders.Find(line[..nameLength]));
    }

    private static HttpFault NameFault(byte first) => first switch
    {
        HttpSyntax.SP or HttpSyntax.HTab => HttpFault.FoldedLine,
        HttpSyntax.LF => HttpFault.BareLineEnd,
        _ => HttpFault.BadHeaderName,
    };

    private static ParseStatus RequestLine(ReadOnlySpan<byte> data, RequestHead head)
    {
        var position = head.Position;
        while (position < data.Length && data[position] is HttpSyntax.CR or HttpSyntax.LF)
        {
            if (data[position] == HttpSyntax.LF)
                return Fail(head, HttpFault.BareLineEnd);
            if (position + 1 == data.Length)
                return ParseStatus.NeedMore;
            if (data[position + 1] != HttpSyntax.LF || position >= 2 * MaxEmptyLines)
                return Fail(head, HttpFault.BadRequestLine);
            position += 2;
        }
        head.Position = position;

        var line = data[position..];
        var methodLength = line.IndexOfAnyExcept(HttpSyntax.Token);
        if (methodLength < 0 && line.Length <= MaxMethod)
            return ParseStatus.NeedMore;
        if (methodLength <= 0 || methodLength > MaxMethod || line[methodLength] != HttpSyntax.SP)
            return Fail(head, HttpFault.BadRequestLine);

        var targetStart = methodLength + 1;
        var targetLength = line[targetStart..].IndexOfAnyExcept(HttpSyntax.Target);
        if (targetLength < 0)
            return ParseStatus.NeedMore;
        var end = targetStart + targetLength;
        if (targetLength == 0 || line[end] != HttpSyntax.SP)
            return Fail(head, line[end] is HttpSyntax.CR or HttpSyntax.LF ? HttpFault.BadVersion : HttpFault.BadTarget);

        var status = Version(line[(end + 1)..], head);
        if (status != ParseStatus.Complete)
            return status;
        var rest = line[(end + 9)..];
        if (rest.IsEmpty || (rest.Length == 1 && rest[0] == HttpSyntax.CR))
            return ParseStatus.NeedMore;
        if (rest[0] != HttpSyntax.CR || rest[1] != HttpSyntax.LF)
            return Fail(head, rest[0] is HttpSyntax.CR or HttpSyntax.LF ? HttpFault.BareLineEnd : HttpFault.BadVersion);

        head.Method = new Slice(position, methodLength);
        head.Kind = RequestHead.KindOf(line[..methodLength]);
        head.Target = new Slice(position + targetStart, targetLength);
        head.Position = position + end + 11;
        head.StartLineDone = true;
        return ParseStatus.Complete;
    }

    private static ParseStatus StatusLine(ReadOnlySpan<byte> data, ResponseHead head)
    {
        var status = Version(data, head);
        if (status != ParseStatus.Complete)
            return status;

        var line = data[8..];
        if (!line.IsEmpty && line[0] != HttpSyntax.SP)
            return Fail(head, HttpFault.BadStatusLine);
        for (var digit = 1; digit <= 3 && digit < line.Length; digit++)
        {
            if (!char.IsAsciiDigit((char)line[digit]))
                return Fail(head, HttpFault.BadStatusLine);
        }
        if (line.Length < 5)
            return ParseStatus.NeedMore;

        var code = ((line[1] - '0') * 100) + ((line[2] - '0') * 10) + (line[3] - '0');
        if (code is < 100 or > 599)
            return Fail(head, HttpFault.BadStatusLine);
        // The space before an empty reason is left out by many servers, and nothing hangs on it.
        if (line[4] is not (HttpSyntax.SP or HttpSyntax.CR))
            return Fail(head, line[4] == HttpSyntax.LF ? HttpFault.BareLineEnd : HttpFault.BadStatusLine);
        var reasonStart = line[4] == HttpSyntax.SP ? 5 : 4;
        var reasonLength = line[reasonStart..].IndexOfAny(HttpSyntax.NotFieldValue);
        if (reasonLength < 0)
            return ParseStatus.NeedMore;
        var end = reasonStart + reasonLength;
        if (line[end] != HttpSyntax.CR)
            return Fail(head, line[end] == HttpSyntax.LF ? HttpFault.BareLineEnd : HttpFault.BadStatusLine);
        if (end + 1 == line.Length)
            return ParseStatus.NeedMore;
        if (line[end + 1] != HttpSyntax.LF)
            return Fail(head, HttpFault.BareLineEnd);

        head.Status = code;
        head.Reason = new Slice(8 + reasonStart, reasonLength);
        head.Position = 8 + end + 2;
        head.StartLineDone = true;
        return ParseStatus.Complete;
    }

    // "HTTP/1.0" or "HTTP/1.1"; a prefix of them waits for more.
    private static ParseStatus Version(ReadOnlySpan<byte> data, MessageHead head)
    {
        var expected = "HTTP/1.1"u8;
        var available = Math.Min(data.Length, expected.Length);
        var common = data[..available].CommonPrefixLength(expected);
        if (common == expected.Length)
        {
            head.MinorVersion = 1;
            return ParseStatus.Complete;
        }
        if (common == available)
            return ParseStatus.NeedMore;
        if (common == 7 && data[7] == (byte)'0')
        {
            head.MinorVersion = 0;
            return ParseStatus.Complete;
        }

        // Another version of the protocol is told apart from nonsense.
        if (common < 5)
            return Fail(head, HttpFault.BadVersion);
        for (var place = 5; place < available; place++)
        {
            if (place == 6 ? data[place] != (byte)'.' : !char.IsAsciiDigit((char)data[place]))
                return Fail(head, HttpFault.BadVersion);
        }
        return available < expected.Length ? ParseStatus.NeedMore : Fail(head, HttpFault.UnsupportedVersion);
    }

    // What lies beyond the limit is not even looked at: the verdict is then the same however the bytes come.
    private static ReadOnlySpan<byte> Within(int maxSize, ReadOnlySpan<byte> data) => data[..Math.Min(data.Length, maxSize)];

    private static ParseStatus OrTooLarge(ParseStatus status, ReadOnlySpan<byte> data, MessageHead head, in HeadLimits limits, HttpFault fault) =>
        status == ParseStatus.NeedMore && data.Length == limits.MaxSize ? Fail(head, fault) : status;

    private static ParseStatus Fail(MessageHead head, HttpFault fault)
    {
        head.Fault = fault;
        return ParseStatus.Fault;
    }
}
