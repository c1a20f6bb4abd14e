using System.Buffers;
using System.Net.Http.Headers;
using System.Text;
using Microsoft.AspNetCore.Http;

namespace Malha.Proxy.Http1;

/// <summary>Between field lines and what libraries keep: names and values as strings.</summary>
internal static class FieldText
{
    // What would end a line.
    private static readonly SearchValues<char> LineBreaking = SearchValues.Create("\r\n\0");

    /// <summary>Takes the next line of complete field lines. False at their end, or at the empty line.</summary>
    public static bool NextLine(ref ReadOnlySpan<byte> lines, out ReadOnlySpan<byte> name, out ReadOnlySpan<byte> value)
    {
        name = value = default;
        var end = lines.IndexOf("\r\n"u8);
        if (end <= 0)
            return false;
        var colon = lines.IndexOf((byte)':');
        name = lines[..colon];
        value = HttpSyntax.Trim(lines[(colon + 1)..end]);
        lines = lines[(end + 2)..];
        return true;
    }

    /// <summary>Adds field lines to a collection.</summary>
    public static void Set(IHeaderDictionary fields, ReadOnlySpan<byte> lines)
    {
        while (NextLine(ref lines, out var name, out var value))
        {
            var key = FieldNames.TextOf(name);
            var text = Encoding.Latin1.GetString(value);
            var present = fields[key];
            fields[key] = present.Count == 0 ? text : Microsoft.Extensions.Primitives.StringValues.Concat(present, text);
        }
    }

    /// <summary>Reads a collection as the fields after a body, under the same rules as those of HTTP/1.1.</summary>
    public static HttpFault Read(IHeaderDictionary fields, TrailerHead trailers)
    {
        var text = new StringBuilder();
        foreach (var (name, values) in fields)
        {
            foreach (var value in values)
            {
                if (!TryAppend(text, name, value ?? ""))
                    return HttpFault.BadTrailer;
            }
        }
        return Parse(text, trailers);
    }

    /// <inheritdoc cref="Read(IHeaderDictionary, TrailerHead)"/>
    public static HttpFault Read(HttpHeadersNonValidated fields, TrailerHead trailers)
    {
        if (fields.Count == 0)
            return HttpFault.None;
        var text = new StringBuilder();
        foreach (var (name, values) in fields)
        {
            foreach (var value in values)
            {
                if (!TryAppend(text, name, value))
                    return HttpFault.BadTrailer;
            }
        }
        return Parse(text, trailers);
    }

    /// <summary>Adds a line. False when it would be two.</summary>
    private static bool TryAppend(StringBuilder text, string name, string value)
    {
        if (name.Contains(':', StringComparison.Ordinal) || name.AsSpan().ContainsAny(LineBreaking) || value.AsSpan().ContainsAny(LineBreaking))
            return false;
        text.Append(name).Append(": ").Append(value).Append("\r\n");
        return true;
    }

    /// <summary>Parses lines that were put together as trailers.</summary>
    private static HttpFault Parse(StringBuilder lines, TrailerHead trailers)
    {
        var bytes = Encoding.Latin1.GetBytes(lines.Append("\r\n").ToString());
        return trailers.Parse(bytes) switch
        {
            ParseStatus.Complete => HttpFault.None,
            ParseStatus.Fault => trailers.Fault,
            _ => HttpFault.BadTrailer,
        };
    }
}
