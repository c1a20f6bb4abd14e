using Malha.IntegrationTests.Harness;

namespace Malha.IntegrationTests.Guard;

/// <summary>
/// llhttp's request cases as cases for a listener. Most have no Host, which alone is a reason to refuse an HTTP/1.1 request; so that the case's
/// own point is reached too, each such case comes twice: as it is, and with a Host put in.
/// </summary>
internal static class LlhttpRequestCases
{
    private const string AddedHost = "llhttp.example";

    public static IReadOnlyDictionary<string, GuardCase> ByName { get; } = LlhttpCorpus.Requests.SelectMany(Judged).ToDictionary(guardCase => guardCase.Name);

    private static IEnumerable<GuardCase> Judged(LlhttpCase given)
    {
        var withHost = WithHost(given);
        if (withHost == given.Input)
            return [Ruled(given, given.Input)];
        // Without its Host the case is what a strict reader makes of it: refused as soon as the head without one is whole.
        var asGiven = GuardCase.Read($"{given.Name}, as it is", given.Input);
        var ruled = Ruled(given, withHost);
        return [asGiven, ruled with { Name = $"{given.Name}, with a Host" }];
    }

    private static GuardCase Ruled(LlhttpCase given, byte[] bytes)
    {
        if (!LlhttpDeviations.Requests.TryGetValue(given.Name, out var deviation))
            return Traced(given, bytes);
        return deviation.Ruling switch
        {
            LlhttpRuling.Refuse => new GuardCase(given.Name, bytes, [], GuardTail.Refused),
            LlhttpRuling.Either => Traced(given, bytes) with { MayRefuse = true },
            _ => GuardCase.Read(given.Name, bytes),
        };
    }

    /// <summary>What llhttp's own trace says; by the letter where it took a switch, paused for its caller, or skipped a body on demand.</summary>
    private static GuardCase Traced(LlhttpCase given, byte[] bytes)
    {
        if (given.IsLenient || given.HasPaused || given.SkipsBody)
            return GuardCase.Read(given.Name, bytes);
        var complete = given.Messages.TakeWhile(message => message.IsComplete).Select(Expected).ToList();
        var tail = given.HasDataAfterClose ? GuardTail.NotProcessed
            : given.HasError ? GuardTail.Refused
            : complete.Count < given.Messages.Count ? GuardTail.Unfinished
            : GuardTail.Done;
        return new GuardCase(given.Name, bytes, complete, tail);
    }

    private static WireRequest Expected(LlhttpMessage message) => new()
    {
        Method = message.Method,
        Target = message.Target,
        Version = message.Version,
        Fields = message.Version == "HTTP/1.0" || HasHost(message) ? message.Fields : [new WireField("Host", HostFor(message)), .. message.Fields],
        Body = message.Body,
        Trailers = message.Trailers,
    };

    /// <summary>Puts a Host behind the request line of every HTTP/1.1 message that has none; its line has to end well for that.</summary>
    private static byte[] WithHost(LlhttpCase given)
    {
        var bytes = given.Input;
        foreach (var message in given.Messages.Reverse())
        {
            var lineEnds = message.VersionEnd > 0 && given.Input.AsSpan(message.VersionEnd).StartsWith("\r\n"u8);
            if (message.Version != "HTTP/1.1" || HasHost(message) || !lineEnds)
                continue;
            var at = message.VersionEnd + 2;
            bytes = [.. bytes[..at], .. WireText.Bytes($"Host: {HostFor(message)}\r\n"), .. bytes[at..]];
        }
        return bytes;
    }

    private static bool HasHost(LlhttpMessage message) => message.Fields.Any(field => field.Name.Equals("Host", StringComparison.OrdinalIgnoreCase));

    /// <summary>The absolute form's own authority: a Host that contradicts it would be a fault of its own.</summary>
    private static string HostFor(LlhttpMessage message)
    {
        const string scheme = "http://";
        if (!message.Target.StartsWith(scheme, StringComparison.Ordinal))
            return AddedHost;
        var rest = message.Target[scheme.Length..];
        return rest.IndexOfAny(['/', '?']) is >= 0 and var end ? rest[..end] : rest;
    }
}
