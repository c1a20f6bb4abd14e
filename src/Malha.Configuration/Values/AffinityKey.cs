using System.Diagnostics.CodeAnalysis;
using System.Globalization;

namespace Malha.Configuration;

/// <summary>What requests have in common that go to the same place.</summary>
/// <param name="Kind">Where to look.</param>
/// <param name="Name">The name of the header field or cookie; empty for the other kinds.</param>
/// <param name="Segment">The number of the path's segment, from 1; 0 for the other kinds.</param>
public sealed record AffinityKey(AffinityKind Kind, string Name = "", int Segment = 0)
{
    /// <summary>More segments than any path that somebody has designed.</summary>
    private const int MostSegments = 64;

    /// <summary>Reads <c>client</c>, <c>address</c>, <c>header:NAME</c>, <c>cookie:NAME</c> or <c>segment:N</c>; when it is none, <paramref name="problem"/> says why.</summary>
    public static bool TryParse(string text, [NotNullWhen(true)] out AffinityKey? key, [NotNullWhen(false)] out string? problem)
    {
        key = null;
        problem = null;
        var colon = text.IndexOf(':', StringComparison.Ordinal);
        var name = colon < 0 ? "" : text[(colon + 1)..];
        switch (colon < 0 ? text : text[..colon])
        {
            case "client" when colon < 0:
                key = new AffinityKey(AffinityKind.Client);
                return true;
            case "address" when colon < 0:
                key = new AffinityKey(AffinityKind.Address);
                return true;
            case "header" when HttpSyntax.IsToken(name):
                key = new AffinityKey(AffinityKind.Header, name);
                return true;
            case "cookie" when HttpSyntax.IsToken(name):
                key = new AffinityKey(AffinityKind.Cookie, name);
                return true;
            case "segment" when int.TryParse(name, NumberStyles.None, CultureInfo.InvariantCulture, out var segment) && segment is > 0 and <= MostSegments:
                key = new AffinityKey(AffinityKind.Segment, Segment: segment);
                return true;
            default:
                problem = "is nothing that requests could have in common";
                return false;
        }
    }

    public override string ToString() => Kind switch
    {
        AffinityKind.Client => "client",
        AffinityKind.Address => "address",
        AffinityKind.Header => $"header:{Name}",
        AffinityKind.Cookie => $"cookie:{Name}",
        _ => string.Create(CultureInfo.InvariantCulture, $"segment:{Segment}"),
    };
}

/// <summary>Where an <see cref="AffinityKey"/> is found.</summary>
public enum AffinityKind
{
    /// <summary>The client by its name; the address of callers that are nobody's client.</summary>
    Client,

    /// <summary>The client's address; of IPv6 its /64.</summary>
    Address,

    /// <summary>A header field; the first line of several.</summary>
    Header,

    Cookie,

    /// <summary>A segment of the path.</summary>
    Segment,
}
