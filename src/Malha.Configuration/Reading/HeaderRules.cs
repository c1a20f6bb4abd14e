using System.Collections.Frozen;

namespace Malha.Configuration.Reading;

/// <summary>Where a rule puts a header field.</summary>
internal enum HeaderUse
{
    RequestAdd,
    RequestSet,
    RequestRemove,
    Response,
    Respond,
}

/// <summary>
/// Which header fields the configuration may touch. Fields that say where a message ends, or that belong to one connection, are Malha's.
/// </summary>
internal static class HeaderRules
{
    private static readonly FrozenSet<string> Framing = FrozenSet.Create(StringComparer.OrdinalIgnoreCase,
        "Connection", "Content-Length", "Expect", "HTTP2-Settings", "Keep-Alive", "Proxy-Connection",
        "TE", "Trailer", "Transfer-Encoding", "Upgrade");

    /// <summary>Why a rule may not name the field, or null.</summary>
    public static string? WhyNot(string name, HeaderUse use)
    {
        if (!HttpSyntax.IsToken(name))
            return $"{Printable.Quote(name)} is not the name of a header field";
        if (Framing.Contains(name))
            return $"{name} belongs to the connection or to the framing of the message, which only Malha sets";
        if (name.StartsWith("Malha-", StringComparison.OrdinalIgnoreCase))
            return $"{name}: header fields that begin with Malha- are Malha's own";
        if (name.Equals("Host", StringComparison.OrdinalIgnoreCase) && use != HeaderUse.RequestSet)
            return use is HeaderUse.RequestAdd or HeaderUse.RequestRemove
                ? "Host can only be set: a request has exactly one"
                : "Host is a field of requests";
        return use == HeaderUse.Respond && name.Equals("Content-Type", StringComparison.OrdinalIgnoreCase)
            ? "Content-Type of a fixed answer is its key contentType"
            : null;
    }

    /// <summary>Why the field cannot have the value, or null. The value itself is not repeated: it may be a secret.</summary>
    public static string? WhyNotValue(string name, string value)
    {
        if (HttpSyntax.WhyNoFieldValue(value) is { } problem)
            return $"the value of {name} {problem}";
        if (!name.Equals("Host", StringComparison.OrdinalIgnoreCase))
            return null;

        var colon = value.LastIndexOf(':');
        var hasPort = colon >= 0 && colon > value.LastIndexOf(']');
        return HttpSyntax.ReadHost(hasPort ? value[..colon] : value, out _) is null
            && (!hasPort || ListenAddress.TryParsePort(value.AsSpan(colon + 1), out _))
            ? null
            : "the value of Host is not a host with or without port";
    }
}
