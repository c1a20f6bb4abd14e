using System.Buffers.Text;
using Malha.Proxy.Http1;

namespace Malha.Delivery.Deferral;

/// <summary>What a client prefers (RFC 7240): to be answered before the work is done, and how long it would wait for it.</summary>
/// <param name="RespondAsync">It asked for an answer at once.</param>
/// <param name="Wait">For how long it waits at most; null: it said nothing.</param>
internal readonly record struct Preference(bool RespondAsync, TimeSpan? Wait)
{
    /// <summary>More is not waited for on one request: proxies and clients in between have timeouts of about a minute.</summary>
    public static readonly TimeSpan LongestWait = TimeSpan.FromSeconds(60);

    private static ReadOnlySpan<byte> Name => "prefer"u8;

    public static bool Is(ReadOnlySpan<byte> name) => HttpSyntax.EqualsIgnoreCase(name, Name);

    /// <summary>Of several that contradict each other the first counts, as the RFC wants it.</summary>
    public static Preference Of(RequestHead head)
    {
        var preference = default(Preference);
        foreach (ref readonly var field in head.Fields)
        {
            if (field.Known != KnownHeader.Other || !Is(head.Bytes(field.Name)))
                continue;
            var list = head.Bytes(field.Value);
            while (HttpSyntax.NextElement(ref list, out var element))
                preference = Read(preference, element);
        }
        return preference;
    }

    private static Preference Read(Preference before, ReadOnlySpan<byte> element)
    {
        var parameters = element.IndexOf((byte)';');
        var token = HttpSyntax.Trim(parameters < 0 ? element : element[..parameters]);
        if (HttpSyntax.EqualsIgnoreCase(token, "respond-async"u8))
            return before with { RespondAsync = true };
        var equals = token.IndexOf((byte)'=');
        if (equals < 0 || before.Wait is not null || !HttpSyntax.EqualsIgnoreCase(HttpSyntax.Trim(token[..equals]), "wait"u8))
            return before;
        var value = HttpSyntax.Trim(token[(equals + 1)..]).Trim((byte)'"');
        return Utf8Parser.TryParse(value, out int seconds, out var length) && length == value.Length && seconds >= 0
            ? before with { Wait = TimeSpan.FromSeconds(Math.Min(seconds, LongestWait.TotalSeconds)) }
            : before;
    }
}
