using System.Globalization;
using System.Text.RegularExpressions;

namespace Malha.IntegrationTests.Harness;

/// <summary>
/// The tests' own HTTP/1.1 reader: RFC 9112 to the letter, written apart from the one it judges, and slow. It says whether bytes are exactly
/// one message that no two readers can understand differently.
/// </summary>
internal static partial class WireReader
{
    private const string Token = "[!#$%&'*+.^_`|~0-9A-Za-z-]+";

    // A trailer that frames, routes or authorizes is what a smuggler needs (RFC 9110, 6.5.1).
    private static readonly HashSet<string> ForbiddenTrailers = new(StringComparer.OrdinalIgnoreCase)
    {
        "Content-Length", "Transfer-Encoding", "Host", "Trailer", "TE", "Connection", "Authorization", "Content-Encoding", "Content-Range", "Expect",
    };

    public static WireRead<WireRequest> Request(ReadOnlyMemory<byte> bytes)
    {
        var cursor = new WireCursor(bytes);
        var head = RequestHead(cursor);
        if (head == null)
            return new(cursor.State, null, null, cursor.Fault);
        var length = head.IsChunked ? 0 : ContentLength(head, cursor) ?? 0;
        return Finish(cursor, head, length, endsWithConnection: false, connectionEnded: false);
    }

    /// <param name="bytes">All that came since the last answer.</param>
    /// <param name="method">The request's method: an answer to HEAD has no body.</param>
    /// <param name="ended">Whether the connection has ended after these bytes.</param>
    public static WireRead<WireAnswer> Answer(ReadOnlyMemory<byte> bytes, string method, bool ended)
    {
        var cursor = new WireCursor(bytes);
        var head = AnswerHead(cursor);
        if (head == null)
            return new(cursor.State, null, null, cursor.Fault);
        var length = ContentLength(head, cursor);
        if (method == "HEAD" || head.Status is < 200 or 204 or 304)
            return Finish(cursor, head with { IsChunked = false }, 0, endsWithConnection: false, ended);
        return Finish(cursor, head, length, endsWithConnection: !head.IsChunked && length == null, ended);
    }

    [GeneratedRegex($@"\A({Token}) ([^\x00-\x20\x7f#]+) (HTTP/1\.[01])\z")]
    private static partial Regex RequestLine { get; }

    [GeneratedRegex(@"\A(HTTP/1\.[01]) ([1-5][0-9][0-9]) (.*)\z", RegexOptions.Singleline)]
    private static partial Regex StatusLine { get; }

    [GeneratedRegex($@"\A({Token}):[ \t]*(.*?)[ \t]*\z", RegexOptions.Singleline)]
    private static partial Regex FieldLine { get; }

    [GeneratedRegex($@"\A([0-9A-Fa-f]{{1,16}})((?:[ \t]*;[ \t]*{Token}(?:[ \t]*=[ \t]*(?:{Token}|""(?:[^""\\]|\\.)*""))?)*)\z")]
    private static partial Regex ChunkLine { get; }

    [GeneratedRegex(@"\A(?:\[[0-9A-Fa-f:.]+\]|(?:[A-Za-z0-9\-._~!$&'()*+,;=]|%[0-9A-Fa-f]{2})+)(?::[0-9]{0,5})?\z")]
    private static partial Regex HostValue { get; }

    private static WireRequest? RequestHead(WireCursor cursor)
    {
        if (cursor.Line() is not { } line)
            return null;
        var match = RequestLine.Match(line);
        if (!match.Success)
            return cursor.Fail<WireRequest>("not a request line");
        if (Fields(cursor) is not { } fields)
            return null;
        var head = new WireRequest { Method = match.Groups[1].Value, Target = match.Groups[2].Value, Version = match.Groups[3].Value, Fields = fields };
        var hosts = head.Values("Host").ToList();
        if (hosts.Count > 1 || (hosts.Count == 0 && head.Version == "HTTP/1.1"))
            return cursor.Fail<WireRequest>($"{hosts.Count} Host fields");
        if (hosts.Count == 1 && !HostValue.IsMatch(hosts[0]))
            return cursor.Fail<WireRequest>("a bad Host");
        return Framed(head, cursor) is { } chunked ? head with { IsChunked = chunked } : null;
    }

    private static WireAnswer? AnswerHead(WireCursor cursor)
    {
        if (cursor.Line() is not { } line)
            return null;
        var match = StatusLine.Match(line);
        if (!match.Success)
            return cursor.Fail<WireAnswer>("not a status line");
        if (Fields(cursor) is not { } fields)
            return null;
        var status = int.Parse(match.Groups[2].ValueSpan, CultureInfo.InvariantCulture);
        var head = new WireAnswer { Version = match.Groups[1].Value, Status = status, Reason = match.Groups[3].Value, Fields = fields };
        return Framed(head, cursor) is { } chunked ? head with { IsChunked = chunked } : null;
    }

    private static List<WireField>? Fields(WireCursor cursor)
    {
        var fields = new List<WireField>();
        while (cursor.Line() is { } line)
        {
            if (line.Length == 0)
                return fields;
            var match = FieldLine.Match(line);
            if (!match.Success)
                return cursor.Fail<List<WireField>>($"not a field line: {line}");
            fields.Add(new WireField(match.Groups[1].Value, match.Groups[2].Value));
        }
        return null;
    }

    /// <summary>Whether the body is chunked; null and a fault where the framing is not plain.</summary>
    private static bool? Framed(WireMessage head, WireCursor cursor)
    {
        var codings = head.Values("Transfer-Encoding").ToList();
        if (codings.Count == 0)
            return false;
        var plain = codings.Count == 1 && codings[0].Equals("chunked", StringComparison.OrdinalIgnoreCase)
            && head.Version == "HTTP/1.1" && !head.Values("Content-Length").Any();
        if (!plain)
            cursor.Fail<string>("a Transfer-Encoding that is not plainly chunked");
        return plain ? true : null;
    }

    private static long? ContentLength(WireMessage head, WireCursor cursor)
    {
        var lengths = head.Values("Content-Length").ToList();
        if (lengths.Count == 0)
            return null;
        var single = lengths.Count == 1 && lengths[0].Length > 0 && lengths[0].All(char.IsAsciiDigit);
        if (single && long.TryParse(lengths[0], NumberStyles.None, CultureInfo.InvariantCulture, out var length))
            return length;
        cursor.Fail<string>("a bad Content-Length");
        return null;
    }

    private static WireRead<T> Finish<T>(WireCursor cursor, T head, long? length, bool endsWithConnection, bool connectionEnded)
        where T : WireMessage
    {
        var extensions = false;
        List<WireField>? trailers = [];
        var body = endsWithConnection ? cursor.Rest()
            : head.IsChunked ? Chunks(cursor, out extensions, out trailers)
            : cursor.Take(length ?? 0);
        var state = endsWithConnection && !connectionEnded ? WireState.Incomplete : cursor.State;
        if (state != WireState.Complete)
            return new(state, null, head, cursor.Fault);
        WireMessage message = head with { Body = body!, Trailers = trailers!, HasChunkExtensions = extensions, Length = cursor.Position };
        if (message is WireAnswer answer)
            message = answer with { EndsWithConnection = endsWithConnection };
        return new(state, (T)message, head, null);
    }

    private static byte[]? Chunks(WireCursor cursor, out bool extensions, out List<WireField>? trailers)
    {
        var body = new MemoryStream();
        extensions = false;
        trailers = null;
        while (cursor.Line() is { } line)
        {
            var match = ChunkLine.Match(line);
            if (!match.Success || !long.TryParse(match.Groups[1].ValueSpan, NumberStyles.HexNumber, CultureInfo.InvariantCulture, out var size) || size < 0)
                return cursor.Fail<byte[]>($"not a chunk size: {line}");
            extensions |= match.Groups[2].Length > 0;
            if (size == 0)
                break;
            if (cursor.Take(size) is not { } data)
                return null;
            body.Write(data);
            cursor.LineEnd();
        }
        trailers = Fields(cursor);
        if (trailers?.Find(field => ForbiddenTrailers.Contains(field.Name)) is { } forbidden)
            return cursor.Fail<byte[]>($"the trailer {forbidden.Name}");
        return body.ToArray();
    }
}
