using Malha.IntegrationTests.Harness;

namespace Malha.IntegrationTests.Guard;

/// <summary>Whether a forwarded request says what the client's said: method, target, host, end-to-end fields, body; and no hop-by-hop field.</summary>
internal static class Faithful
{
    // Fields of the hop, and those that a gateway writes or extends itself.
    private static readonly HashSet<string> Ours = new(StringComparer.OrdinalIgnoreCase)
    {
        "Connection", "Keep-Alive", "Proxy-Connection", "TE", "Trailer", "Transfer-Encoding", "Upgrade", "Content-Length", "Host", "Expect",
        "Proxy-Authorization", "Via", "Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Forwarded-Port", "X-Real-Ip",
        "Malha-Timeout", "Malha-Attempt", "Malha-Class",
        "X-Request-Id", "traceparent", "tracestate",
    };

    public static IEnumerable<string> Differences(WireRequest sent, WireRequest seen)
    {
        var (target, host) = OriginForm(sent);
        if (seen.Method != sent.Method)
            yield return $"method {seen.Method} instead of {sent.Method}";
        if (seen.Target != target)
            yield return $"target {seen.Target} instead of {target}";
        if (host != null && seen.Value("Host") != host)
            yield return $"Host {seen.Value("Host")} instead of {host}";
        if (!seen.Body.AsSpan().SequenceEqual(sent.Body))
            yield return $"body {WireText.Show(seen.Body, 200)} instead of {WireText.Show(sent.Body, 200)}";
        if (seen.HasChunkExtensions)
            yield return "chunk extensions were forwarded";
        foreach (var trailer in seen.Trailers.Where(trailer => !sent.Trailers.Any(own => Same(own, trailer))))
            yield return $"a trailer that nobody sent: {trailer.Name}";
        foreach (var difference in FieldDifferences(sent, seen))
            yield return difference;
    }

    private static IEnumerable<string> FieldDifferences(WireRequest sent, WireRequest seen)
    {
        var nominated = sent.Values("Connection").SelectMany(value => value.Split(',', StringSplitOptions.TrimEntries)).ToHashSet(StringComparer.OrdinalIgnoreCase);
        foreach (var name in sent.Fields.Select(field => field.Name).Distinct(StringComparer.OrdinalIgnoreCase).Where(name => !Ours.Contains(name)))
        {
            // Some join repeated fields into one, which means the same (RFC 9110, 5.3).
            var expected = nominated.Contains(name) ? "" : string.Join(", ", sent.Values(name));
            var actual = string.Join(", ", seen.Values(name));
            if (actual != expected)
                yield return $"field {name}: {actual} instead of {expected}";
        }
        foreach (var added in seen.Fields.Where(field => !Ours.Contains(field.Name) && !sent.Values(field.Name).Any()))
            yield return $"an added field {added.Name}: {added.Value}";
    }

    /// <summary>What RFC 9112, 3.2.2 makes of the absolute form: origin form, and a Host that says the same; the others stay as they are.</summary>
    private static (string Target, string? Host) OriginForm(WireRequest sent)
    {
        const string scheme = "http://";
        if (!sent.Target.StartsWith(scheme, StringComparison.OrdinalIgnoreCase))
            return (sent.Target, sent.Value("Host"));
        var rest = sent.Target[scheme.Length..];
        var end = rest.IndexOfAny(['/', '?']);
        var authority = end < 0 ? rest : rest[..end];
        var path = end < 0 ? "" : rest[end..];
        if (path.StartsWith('/'))
            return (path, authority);
        return (path.Length == 0 && sent.Method == "OPTIONS" ? "*" : $"/{path}", authority);
    }

    private static bool Same(WireField one, WireField other) => one.Name.Equals(other.Name, StringComparison.OrdinalIgnoreCase) && one.Value == other.Value;
}
