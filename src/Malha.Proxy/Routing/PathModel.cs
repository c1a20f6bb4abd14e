using System.Text;
using Malha.Configuration;

namespace Malha.Proxy.Routing;

/// <summary>A path pattern in bytes, and how specific it is.</summary>
internal sealed class PathModel : IComparable<PathModel>
{
    public PathModel(PathPattern pattern)
    {
        Segments = new byte[]?[pattern.Segments.Count];
        for (var place = 0; place < Segments.Length; place++)
        {
            if (pattern.Segments[place].Kind == PathSegmentKind.Literal)
                Segments[place] = Encoding.UTF8.GetBytes(pattern.Segments[place].Text);
        }
        Literals = Segments.Count(segment => segment is not null);
        TakesRest = pattern.TakesRest;
    }

    /// <summary>The literals; null where any segment that is not empty may stand.</summary>
    public byte[]?[] Segments { get; }

    public int Literals { get; }

    public bool TakesRest { get; }

    /// <summary>Whether it takes every path, and <c>OPTIONS *</c> too.</summary>
    public bool IsEverything => TakesRest && Segments.Length == 0;

    /// <summary>
    /// The more specific first. A pattern for whole paths comes before one that takes what is below it. All patterns for whole paths that fit one
    /// request have its number of segments, so that the most literal one is the exact one. Of the others the longest comes first.
    /// </summary>
    public int CompareTo(PathModel? other)
    {
        ArgumentNullException.ThrowIfNull(other);
        if (TakesRest != other.TakesRest)
            return TakesRest ? 1 : -1;
        if (TakesRest && Segments.Length != other.Segments.Length)
            return other.Segments.Length.CompareTo(Segments.Length);
        if (Literals != other.Literals)
            return other.Literals.CompareTo(Literals);
        for (var place = 0; place < Math.Min(Segments.Length, other.Segments.Length); place++)
        {
            if (Segments[place] is null != other.Segments[place] is null)
                return Segments[place] is null ? 1 : -1;
        }
        return 0;
    }

    /// <summary>Whether it takes a path in normal form; segment by segment, where a table uses its tree.</summary>
    public bool Takes(ReadOnlySpan<byte> path)
    {
        var rest = path.SequenceEqual("/"u8) ? default : path;
        foreach (var literal in Segments)
        {
            if (rest.IsEmpty)
                return false;
            var segment = NextSegment(ref rest);
            if (literal is null ? segment.IsEmpty : !segment.SequenceEqual(literal))
                return false;
        }
        return TakesRest || rest.IsEmpty;
    }

    /// <summary>Takes the first segment of what begins with a slash.</summary>
    public static ReadOnlySpan<byte> NextSegment(scoped ref ReadOnlySpan<byte> rest)
    {
        var length = rest[1..].IndexOf((byte)'/');
        var segment = length < 0 ? rest[1..] : rest.Slice(1, length);
        rest = rest[(1 + segment.Length)..];
        return segment;
    }
}
