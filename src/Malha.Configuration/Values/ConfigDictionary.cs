using System.Collections;
using System.Diagnostics.CodeAnalysis;
using System.Runtime.CompilerServices;

namespace Malha.Configuration;

/// <summary>
/// An immutable map from a name to a value, in the order of the file. Two maps are equal when they have the same names with equal
/// values; the order does not count. Names are compared byte by byte.
/// </summary>
[CollectionBuilder(typeof(ConfigDictionary), nameof(ConfigDictionary.Create))]
public sealed class ConfigDictionary<T> : IReadOnlyDictionary<string, T>, IEquatable<ConfigDictionary<T>>
{
    private readonly OrderedDictionary<string, T> _items;

    internal ConfigDictionary(OrderedDictionary<string, T> items) => _items = items;

    internal static ConfigDictionary<T> Empty { get; } = new(new OrderedDictionary<string, T>(StringComparer.Ordinal));

    public int Count => _items.Count;

    public T this[string key] => _items[key];

    public IEnumerable<string> Keys => _items.Keys;

    public IEnumerable<T> Values => _items.Values;

    public bool ContainsKey(string key) => _items.ContainsKey(key);

    public bool TryGetValue(string key, [MaybeNullWhen(false)] out T value) => _items.TryGetValue(key, out value);

    public bool Equals(ConfigDictionary<T>? other)
    {
        if (ReferenceEquals(this, other))
            return true;
        if (other is null || Count != other.Count)
            return false;

        foreach (var (name, value) in _items)
        {
            if (!other.TryGetValue(name, out var theirs) || !EqualityComparer<T>.Default.Equals(value, theirs))
                return false;
        }

        return true;
    }

    public override bool Equals(object? obj) => Equals(obj as ConfigDictionary<T>);

    public override int GetHashCode()
    {
        // Order does not count, so the entries' hashes are summed.
        var sum = 0;
        foreach (var (name, value) in _items)
            sum += HashCode.Combine(name, value);
        return sum;
    }

    public IEnumerator<KeyValuePair<string, T>> GetEnumerator() => _items.GetEnumerator();

    IEnumerator IEnumerable.GetEnumerator() => _items.GetEnumerator();

    public override string ToString() => $"{{{string.Join(", ", _items.Select(item => $"{item.Key}: {item.Value}"))}}}";
}

/// <summary>Makes a <see cref="ConfigDictionary{T}"/>; collection expressions use it.</summary>
public static class ConfigDictionary
{
    /// <exception cref="ArgumentException">A name occurs twice.</exception>
    public static ConfigDictionary<T> Create<T>(ReadOnlySpan<KeyValuePair<string, T>> items)
    {
        if (items.IsEmpty)
            return ConfigDictionary<T>.Empty;

        var entries = new OrderedDictionary<string, T>(items.Length, StringComparer.Ordinal);
        foreach (var (name, value) in items)
            entries.Add(name, value);
        return new ConfigDictionary<T>(entries);
    }
}
