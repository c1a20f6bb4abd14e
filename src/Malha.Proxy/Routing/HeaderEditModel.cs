using System.Text;
using Malha.Configuration;
using Malha.Proxy.Http1;

namespace Malha.Proxy.Routing;

/// <summary>
/// A route's changes to a head, for whoever copies it: fields that <see cref="Drops(KnownHeader, ReadOnlySpan{byte})"/> names are left out, and <see cref="Lines"/> is written after the
/// rest. Remove, set and add then come in this order, as the configuration says.
/// </summary>
internal sealed class HeaderEditModel
{
    private readonly HeaderLine[] _set;
    private readonly HeaderLine[] _add;
    private readonly byte[][] _dropped;
    private readonly byte[] _lines;
    private readonly ulong _setKnown;
    private readonly ulong _droppedKnown;
    private readonly ulong _droppedLengths;

    private HeaderEditModel(HeaderEditConfig config)
    {
        _set = [.. config.Set.Select(header => new HeaderLine(header))];
        _add = [.. config.Add.Select(header => new HeaderLine(header))];
        _lines = HeaderLine.Join(_set.Concat(_add));
        byte[][] dropped = [.. config.Remove.Select(Encoding.UTF8.GetBytes), .. _set.Select(line => line.Name)];
        _dropped = [.. dropped.Where(name => KnownHeaders.Find(name) == KnownHeader.Other)];
        foreach (var name in dropped)
            _droppedKnown |= KnownHeaders.Find(name).Bit();
        _droppedKnown &= ~KnownHeader.Other.Bit();
        foreach (var name in _dropped)
            _droppedLengths |= LengthBit(name);
        foreach (var line in _set)
            _setKnown |= line.Known.Bit();
        _setKnown &= ~KnownHeader.Other.Bit();
    }

    /// <summary>Changes nothing; most routes share it.</summary>
    public static HeaderEditModel None { get; } = new(new HeaderEditConfig());

    public bool IsEmpty => _lines.Length == 0 && _dropped.Length == 0 && _droppedKnown == 0;

    /// <exception cref="ArgumentException">A field could not be sent as it is.</exception>
    public static HeaderEditModel Of(HeaderEditConfig config) => config.IsEmpty ? None : new HeaderEditModel(config);

    /// <summary>The fields to write after what was copied: those that are set, then those that are added.</summary>
    public ReadOnlySpan<byte> Lines => _lines;

    public ReadOnlySpan<HeaderLine> Set => _set;

    public ReadOnlySpan<HeaderLine> Add => _add;

    /// <summary>Whether a field is left out: removed, or replaced by one that is set.</summary>
    public bool Drops(KnownHeader known, ReadOnlySpan<byte> name)
    {
        if (known != KnownHeader.Other)
            return known.In(_droppedKnown);
        // Fields of other lengths, which are most, cost no comparison.
        if ((_droppedLengths & LengthBit(name)) == 0)
            return false;
        foreach (var dropped in _dropped)
        {
            if (HttpSyntax.EqualsIgnoreCase(name, dropped))
                return true;
        }
        return false;
    }

    /// <summary>The same by name alone.</summary>
    public bool Drops(ReadOnlySpan<byte> name) => Drops(KnownHeaders.Find(name), name);

    /// <summary>Whether <see cref="Lines"/> holds this field instead of any other, so that nobody writes it besides.</summary>
    public bool Sets(KnownHeader known) => known.In(_setKnown);

    /// <summary>The value that a field is set to.</summary>
    public bool TryGetSet(ReadOnlySpan<byte> name, out ReadOnlySpan<byte> value)
    {
        foreach (var line in _set)
        {
            if (!HttpSyntax.EqualsIgnoreCase(name, line.Name))
                continue;
            value = line.Value;
            return true;
        }
        value = default;
        return false;
    }

    private static ulong LengthBit(ReadOnlySpan<byte> name) => 1UL << (name.Length & 63);
}
