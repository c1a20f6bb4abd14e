using System.Buffers;
using Malha.Proxy.Http1;

namespace Malha.Proxy.Telemetry.Logging;

/// <summary>
/// Takes out of a request target what should not be kept: values of query parameters whose names look like secrets, and a user and
/// password before the host.
/// </summary>
internal static class SecretQuery
{
    /// <summary>A longer name is not looked into: its value is masked.</summary>
    private const int MaxName = 64;

    private static readonly SearchValues<byte> Separators = SearchValues.Create("&;"u8);

    // Anywhere in the name.
    private static readonly string[] Parts = ["token", "secret", "passw", "passphrase", "credential", "signature", "apikey", "accesskey", "privatekey", "authoriz", "session"];

    // A word of the name: apiKey and api_key have the word key, keyboard has not.
    private static readonly string[] Words = ["key", "keys", "sig", "auth", "jwt", "pass", "pwd", "sid", "otp", "pin"];

    private static ReadOnlySpan<byte> Mask => "***"u8;

    /// <summary>Whether there may be something to take out; almost no target asks for more than this.</summary>
    public static bool IsSuspect(ReadOnlySpan<byte> target) => target.ContainsAny((byte)'?', (byte)'@');

    /// <summary>Copies the target without its secrets.</summary>
    /// <returns>The number of bytes written; what finds no room is left out.</returns>
    public static int Copy(ReadOnlySpan<byte> target, Span<byte> destination)
    {
        var output = new LogText(destination);
        var question = target.IndexOf((byte)'?');
        WritePath(ref output, question < 0 ? target : target[..question]);
        if (question < 0)
            return output.Length;

        output.Write("?"u8);
        for (var query = target[(question + 1)..]; ;)
        {
            var end = query.IndexOfAny(Separators);
            WriteParameter(ref output, end < 0 ? query : query[..end]);
            if (end < 0)
                return output.Length;
            output.Write(query.Slice(end, 1));
            query = query[(end + 1)..];
        }
    }

    /// <summary>Whether a parameter of this name, as it stands in the query, is taken for a secret.</summary>
    public static bool LooksSecret(ReadOnlySpan<byte> name)
    {
        if (name.Length > MaxName * 3)
            return true;
        Span<char> text = stackalloc char[MaxName];
        var length = 0;
        for (var at = 0; at < name.Length; at++)
        {
            if (length == MaxName)
                return true;
            var value = name[at];
            if (value == (byte)'%' && at + 2 < name.Length && HttpSyntax.HexDigit(name[at + 1]) is >= 0 and var high && HttpSyntax.HexDigit(name[at + 2]) is >= 0 and var low)
            {
                value = (byte)((high << 4) | low);
                at += 2;
            }
            text[length++] = (char)value;
        }
        return IsSecret(text[..length]);
    }

    private static void WritePath(ref LogText output, ReadOnlySpan<byte> path)
    {
        // An absolute form or an authority; an @ behind the first slash of a path is an ordinary character.
        var authority = path.IndexOf("://"u8) is >= 0 and var scheme ? scheme + 3 : path is [(byte)'/', ..] ? path.Length : 0;
        var slash = path[authority..].IndexOf((byte)'/');
        var at = (slash < 0 ? path[authority..] : path.Slice(authority, slash)).LastIndexOf((byte)'@');
        if (at < 0)
        {
            output.Write(path);
            return;
        }
        output.Write(path[..authority]);
        output.Write(Mask);
        output.Write(path[(authority + at)..]);
    }

    private static void WriteParameter(ref LogText output, ReadOnlySpan<byte> parameter)
    {
        var equals = parameter.IndexOf((byte)'=');
        if (equals < 0 || equals == parameter.Length - 1 || !LooksSecret(parameter[..equals]))
        {
            output.Write(parameter);
            return;
        }
        output.Write(parameter[..(equals + 1)]);
        output.Write(Mask);
    }

    private static bool IsSecret(ReadOnlySpan<char> name)
    {
        // OAuth's authorization code.
        if (name.Equals("code", StringComparison.OrdinalIgnoreCase))
            return true;
        foreach (var part in Parts)
        {
            if (name.Contains(part, StringComparison.OrdinalIgnoreCase))
                return true;
        }
        var start = 0;
        for (var at = 1; at <= name.Length; at++)
        {
            var ends = at == name.Length || !char.IsAsciiLetter(name[at]) || (char.IsAsciiLetterUpper(name[at]) && char.IsAsciiLetterLower(name[at - 1]));
            if (!ends)
                continue;
            while (start < at && !char.IsAsciiLetter(name[start]))
                start++;
            var word = name[start..at];
            foreach (var secret in Words)
            {
                if (word.Equals(secret, StringComparison.OrdinalIgnoreCase))
                    return true;
            }
            start = at;
        }
        return false;
    }
}
