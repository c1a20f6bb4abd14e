namespace Malha.Proxy.Routing;

/// <summary>
/// The parameters of a query, as forms write them: <c>&amp;</c> between them, <c>+</c> for a space, escapes decoded. A percent sign without two digits
/// stands for itself.
/// </summary>
internal static class QueryText
{
    /// <summary>Takes the next parameter of a query with its question mark; false at the end. Empty ones are passed over.</summary>
    public static bool Next(ref ReadOnlySpan<byte> query, out ReadOnlySpan<byte> name, out ReadOnlySpan<byte> value)
    {
        while (query.Length > 1)
        {
            // What it begins with is the question mark, or the separator before this parameter.
            var end = query[1..].IndexOf((byte)'&');
            var parameter = end < 0 ? query[1..] : query.Slice(1, end);
            query = query[(1 + parameter.Length)..];
            if (parameter.IsEmpty)
                continue;
            var equals = parameter.IndexOf((byte)'=');
            name = equals < 0 ? parameter : parameter[..equals];
            value = equals < 0 ? default : parameter[(equals + 1)..];
            return true;
        }
        name = default;
        value = default;
        return false;
    }

    public static bool Equals(ReadOnlySpan<byte> encoded, ReadOnlySpan<byte> text) => Consume(ref encoded, text) && encoded.IsEmpty;

    public static bool StartsWith(ReadOnlySpan<byte> encoded, ReadOnlySpan<byte> text) => Consume(ref encoded, text);

    // Takes as much as the text stands for, or says that it does not begin with the text.
    private static bool Consume(ref ReadOnlySpan<byte> encoded, ReadOnlySpan<byte> text)
    {
        foreach (var expected in text)
        {
            if (encoded.IsEmpty)
                return false;
            var length = 1;
            var value = encoded[0];
            if (value == (byte)'+')
                value = (byte)' ';
            else if (RoutePath.TryUnescape(encoded, out var decoded))
                (value, length) = (decoded, 3);
            if (value != expected)
                return false;
            encoded = encoded[length..];
        }
        return true;
    }
}
