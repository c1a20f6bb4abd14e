using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using Malha.Configuration.Reading.Yaml;

namespace Malha.Configuration.Reading.Shapes;

/// <summary>
/// A map with known keys that becomes one record: the table of its keys. The record's own defaults hold for keys that are absent.
/// </summary>
/// <param name="what">What the section is, in words.</param>
/// <param name="create">Makes the record with nothing but its name (the key that it stands under; empty in a list).</param>
internal sealed class Section<T>(string what, Func<string, T> create) : Shape<T> where T : ConfigItem
{
    private readonly List<Key> _keys = [];
    private readonly Dictionary<string, Key> _byName = new(StringComparer.Ordinal);
    private readonly Dictionary<string, string> _refused = new(StringComparer.Ordinal);
    private Action<T, ErrorList>? _check;
    private bool _exactlyOne;

    public override string Allowed => what;

    /// <summary>A key that the section cannot be without.</summary>
    public Section<T> Required<TValue>(string name, Shape<TValue> shape, Func<T, object?> get, Func<T, TValue, T> set, string summary) =>
        Add(new Key<TValue>(name, shape, get, set, new KeyText(summary, IsRequired: true, HasDefault: false, Origin: null)));

    /// <summary>A key with a default; the record must have the same (a test compares them).</summary>
    public Section<T> Optional<TValue, TDefault>(
        string name, Shape<TValue> shape, Default<TDefault> fallback, Func<T, object?> get, Func<T, TValue, T> set, string summary) =>
        Add(new Key<TValue>(name, shape, get, set, new KeyText(summary, IsRequired: false, HasDefault: true, fallback.Origin)));

    /// <summary>A key without a default; <paramref name="absent"/> says what holds without it, null when that goes without saying.</summary>
    public Section<T> Optional<TValue>(
        string name, Shape<TValue> shape, string? absent, Func<T, object?> get, Func<T, TValue, T> set, string summary) =>
        Add(new Key<TValue>(name, shape, get, set, new KeyText(summary, IsRequired: false, HasDefault: false, absent)));

    /// <summary>Keys of the format that this version does not know what to do with.</summary>
    public Section<T> NotYet(params string[] names)
    {
        foreach (var name in names)
            _refused.Add(name, "not supported yet");
        return this;
    }

    /// <summary>A key that one may well look for here, and why it does not stand here.</summary>
    public Section<T> Refused(string name, string problem)
    {
        _refused.Add(name, problem);
        return this;
    }

    /// <summary>What the keys say together; asked when nothing is wrong with each of them alone.</summary>
    public Section<T> Checked(Action<T, ErrorList> check)
    {
        _check = check;
        return this;
    }

    /// <summary>The keys are alternatives: exactly one of them is given.</summary>
    public Section<T> ExactlyOneKey()
    {
        _exactlyOne = true;
        return this;
    }

    public override bool TryBind(YamlNode node, in KeyPath path, BindContext context, [MaybeNullWhen(false)] out T value)
    {
        if (node is not YamlMap map)
        {
            // What has a name is known by it all the same: whoever refers to it need not complain as well.
            context.WrongKind(node, path, what);
            var place = new SourceSpan(context.File, path.Line, path.Column, path.Text, [], broken: true);
            value = path.Name is null ? null : (T)create(path.Name).At(place);
            return value is not null;
        }

        var text = path.Text;
        var errors = context.Errors.Count;
        var item = create(path.Name ?? "");
        var places = new List<SourceSpan.KeyPlace>(map.Entries.Count);
        var count = 0;
        foreach (var entry in map.Entries)
        {
            var at = KeyPath.Key(text, entry.Key);
            if (!_byName.TryGetValue(entry.Key.Value, out var key))
            {
                ReportUnknown(entry.Key, at, context);
                continue;
            }

            if (places.FindIndex(place => place.Key == key.Name) is var first and >= 0)
            {
                context.Error(entry.Key, at, string.Create(CultureInfo.InvariantCulture, $"the key stands on line {places[first].Line} already"));
                continue;
            }

            // The place of a map or list is that of its key: it may begin a line below.
            var mark = entry.Value is YamlText { IsNull: false } ? entry.Value : entry.Key;
            places.Add(new SourceSpan.KeyPlace(key.Name, mark.Line, mark.Column));
            item = key.Bind(item, entry.Value, at, context, places);
            count++;
        }

        foreach (var key in _keys)
        {
            if (key.Text.IsRequired && !places.Exists(place => place.Key == key.Name))
                context.Errors.Add(path.Line, path.Column, text, $"the key {key.Name} is missing", allowed: $"{key.Name}: {key.Allowed}");
        }

        if (_exactlyOne && count != 1)
            context.Error(node, path, "exactly one key is expected here", allowed: what);

        var broken = context.Errors.Count > errors;
        value = (T)item.At(new SourceSpan(context.File, path.Line, path.Column, text, [.. places], broken));
        if (!broken)
            _check?.Invoke(value, context.Errors);
        return true;
    }

    public override void Explain(T value, in Setting setting, List<EffectiveSetting> settings)
    {
        foreach (var key in _keys)
            key.Explain(value, setting.Path, settings);
    }

    public override ShapeInfo Describe() => new SectionInfo(what, [.. _keys.Select(key => key.Describe(create("")))], _exactlyOne);

    private Section<T> Add(Key key)
    {
        _keys.Add(key);
        _byName.Add(key.Name, key);
        return this;
    }

    private void ReportUnknown(YamlText key, in KeyPath at, BindContext context)
    {
        if (_refused.TryGetValue(key.Value, out var problem))
        {
            context.Error(key, at, problem);
            return;
        }

        var suggestion = context.Suggestion.Nearest(key.Value, _keys.Select(known => known.Name).Concat(_refused.Keys));
        context.Error(key, at, "unknown key", suggestion, string.Join(", ", _keys.Select(known => known.Name)));
    }

    private readonly record struct KeyText(string Summary, bool IsRequired, bool HasDefault, string? Origin);

    private abstract class Key(string name, KeyText text)
    {
        public string Name => name;

        public KeyText Text => text;

        public abstract string Allowed { get; }

        public abstract T Bind(T item, YamlNode node, in KeyPath path, BindContext context, List<SourceSpan.KeyPlace> places);

        public abstract void Explain(T item, string parent, List<EffectiveSetting> settings);

        public abstract KeyInfo Describe(T fresh);
    }

    private sealed class Key<TValue>(string name, Shape<TValue> shape, Func<T, object?> get, Func<T, TValue, T> set, KeyText text) : Key(name, text)
    {
        public override string Allowed => shape.Allowed;

        public override T Bind(T item, YamlNode node, in KeyPath path, BindContext context, List<SourceSpan.KeyPlace> places)
        {
            if (!shape.TryBind(node, path, context, out var value))
                return item;
            if (value is PolicyItem policy)
                places.AddRange(policy.Source.KeysUnder(Name));
            return set(item, value);
        }

        public override void Explain(T item, string parent, List<EffectiveSetting> settings)
        {
            var path = parent.Length == 0 ? Name : $"{parent}.{Name}";
            var origin = item.Source.Says(Name) ? item.Source.Of(Name).ToString() : Text.HasDefault ? $"default ({Text.Origin})" : "default";
            // Null is "off" where a limit was said to be, otherwise what the table says of an absent key.
            if (get(item) is TValue value)
                shape.Explain(Placed(value, item.Source), new Setting(path, origin), settings);
            else if (item.Source.Says(Name) || Text.HasDefault)
                settings.Add(new EffectiveSetting(path, "off", origin));
            else if (Text.Origin is { } absent)
                settings.Add(new EffectiveSetting(path, absent, origin));
        }

        public override KeyInfo Describe(T fresh)
        {
            var settings = new List<EffectiveSetting>();
            if (Text.HasDefault && get(fresh) is TValue value)
                shape.Explain(value, new Setting("", ""), settings);
            var fallback = Text.HasDefault ? settings.FirstOrDefault()?.Value ?? "off" : null;
            return new KeyInfo(Name, Text.Summary, Text.IsRequired, fallback, Text.Origin, shape.Describe());
        }

        /// <summary>A policy gets its place back, which the record did not keep.</summary>
        private TValue Placed(TValue value, SourceSpan around) =>
            value is PolicyItem policy && policy.At(around.Within(Name)) is TValue placed ? placed : value;
    }
}
