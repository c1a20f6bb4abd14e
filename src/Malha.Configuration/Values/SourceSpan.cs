namespace Malha.Configuration;

/// <summary>
/// Where an item of the configuration stands: file, line and column (both from 1), and the path of its keys
/// (<c>services.payments</c>, <c>routes[3]</c>), which later messages and refusals give as their rule.
/// A place is not part of an item's meaning: all spans are equal, so that a record that only moved within the file equals its old self.
/// </summary>
public sealed class SourceSpan : IEquatable<SourceSpan>
{
    private readonly KeyPlace[] _keys;

    internal SourceSpan(string file, int line, int column, string path, KeyPlace[] keys, bool broken)
    {
        File = file;
        Line = line;
        Column = column;
        Path = path;
        IsBroken = broken;
        _keys = keys;
    }

    /// <summary>The place of what no file says: line 0.</summary>
    public static SourceSpan None { get; } = InCode("", "");

    public string File { get; }

    public int Line { get; }

    public int Column { get; }

    /// <summary>The path of keys from the top of the file; empty for the file itself.</summary>
    public string Path { get; }

    /// <summary>Whether an error was found inside the item, so that comparing it with others would only repeat it.</summary>
    internal bool IsBroken { get; }

    /// <summary>The place of something made by a program: <paramref name="origin"/> says which (for example <c>--upstream</c>), and
    /// <paramref name="keys"/> which of the item's keys it sets.</summary>
    public static SourceSpan InCode(string origin, string path, params ReadOnlySpan<string> keys)
    {
        var places = new KeyPlace[keys.Length];
        for (var i = 0; i < keys.Length; i++)
            places[i] = new KeyPlace(keys[i], 0, 0);
        return new SourceSpan(origin, 0, 0, path, places, broken: false);
    }

    /// <summary>
    /// Whether the file itself says this key of the item (else its default is in force). The keys of a policy follow its own: <c>retry.attempts</c>.
    /// </summary>
    public bool Says(string key) => Array.Exists(_keys, place => place.Key == key);

    /// <summary>The place of one key of the item: where the file says it, or the item's own place when its default is in force.</summary>
    public SourceSpan Of(string key)
    {
        var path = Path.Length == 0 ? key : $"{Path}.{key}";
        foreach (var place in _keys)
        {
            if (place.Key == key)
                return new SourceSpan(File, place.Line, place.Column, path, [], IsBroken);
        }

        return new SourceSpan(File, Line, Column, path, [], IsBroken);
    }

    /// <summary>The places of the item's keys as an item around it has them, in which it stands under a key.</summary>
    internal IEnumerable<KeyPlace> KeysUnder(string key) => _keys.Select(place => place with { Key = $"{key}.{place.Key}" });

    /// <summary>The way back: the place of what stands under a key, with the places of the keys within.</summary>
    internal SourceSpan Within(string key)
    {
        var place = Of(key);
        var prefix = key + ".";
        var inner = _keys.Where(known => known.Key.StartsWith(prefix, StringComparison.Ordinal));
        KeyPlace[] keys = [.. inner.Select(known => known with { Key = known.Key[prefix.Length..] })];
        return new SourceSpan(File, place.Line, place.Column, place.Path, keys, IsBroken);
    }

    public bool Equals(SourceSpan? other) => other is not null;

    public override bool Equals(object? obj) => obj is SourceSpan;

    public override int GetHashCode() => 0;

    public override string ToString() => Line == 0 ? File : $"{File}:{Line}:{Column}";

    /// <summary>Where the value of one key of an item stands.</summary>
    internal readonly record struct KeyPlace(string Key, int Line, int Column);
}
