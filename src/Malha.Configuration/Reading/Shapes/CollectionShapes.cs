using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using Malha.Configuration.Reading.Yaml;

namespace Malha.Configuration.Reading.Shapes;

/// <summary>A list of values of one shape.</summary>
/// <param name="item">The shape of each.</param>
/// <param name="least">The fewest.</param>
/// <param name="isSet">Whether no value may occur twice.</param>
internal sealed class ListShape<T>(Shape<T> item, int least = 0, bool isSet = false) : Shape<ConfigList<T>>
{
    public override string Allowed { get; } = (least > 0 ? "a list of at least one: " : "a list: ") + item.Allowed;

    public override bool TryBind(YamlNode node, in KeyPath path, BindContext context, [MaybeNullWhen(false)] out ConfigList<T> value)
    {
        value = null;
        if (node is not YamlList list)
        {
            context.WrongKind(node, path, Allowed);
            return false;
        }

        if (list.Items.Count < least)
        {
            context.Error(node, path, "the list is empty", allowed: Allowed);
            return false;
        }

        var text = path.Text;
        var seen = isSet ? new HashSet<T>() : null;
        var values = new List<T>(list.Items.Count);
        for (var i = 0; i < list.Items.Count; i++)
        {
            var at = KeyPath.Item(text, i, list.Items[i]);
            if (!item.TryBind(list.Items[i], at, context, out var one))
                continue;
            if (seen is null || seen.Add(one))
                values.Add(one);
            else
                context.Error(list.Items[i], at, "occurs twice in the list");
        }

        // What could be read is kept, so that the checks that follow find all that they can.
        value = [.. values];
        return true;
    }

    public override void Explain(ConfigList<T> value, in Setting setting, List<EffectiveSetting> settings)
    {
        if (value.Count == 0)
            settings.Add(new EffectiveSetting(setting.Path, "[]", setting.Origin));
        for (var i = 0; i < value.Count; i++)
        {
            var path = string.Create(CultureInfo.InvariantCulture, $"{setting.Path}[{i}]");
            item.Explain(value[i], new Setting(path, setting.Origin), settings);
        }
    }

    public override ShapeInfo Describe() => new ListInfo(Allowed, item.Describe(), least);
}

/// <summary>Reads a key of a map: null when it could, otherwise what is wrong with it.</summary>
internal delegate string? KeyParser(string text, out string key);

/// <summary>A map whose keys the operator chooses.</summary>
/// <param name="what">What the keys are, in words.</param>
/// <param name="pattern">A regular expression for them.</param>
/// <param name="parse">Checks a key and gives its normal form.</param>
/// <param name="shape">The shape of each value.</param>
/// <param name="least">The fewest entries.</param>
internal sealed class MapShape<T>(string what, string pattern, KeyParser parse, Shape<T> shape, int least = 0) : Shape<ConfigDictionary<T>>
{
    public override string Allowed { get; } = $"a map from {what} to {shape.Allowed}";

    public override bool TryBind(YamlNode node, in KeyPath path, BindContext context, [MaybeNullWhen(false)] out ConfigDictionary<T> value)
    {
        value = null;
        if (node is not YamlMap map)
        {
            context.WrongKind(node, path, Allowed);
            return false;
        }

        if (map.Entries.Count < least)
        {
            context.Error(node, path, map.Entries.Count == 0 ? "the map is empty" : string.Create(CultureInfo.InvariantCulture, $"the map holds fewer than {least}"), allowed: Allowed);
            return false;
        }

        var text = path.Text;
        var values = new OrderedDictionary<string, T>(map.Entries.Count, StringComparer.Ordinal);
        var places = new Dictionary<string, int>(map.Entries.Count, StringComparer.Ordinal);
        foreach (var (key, item) in map.Entries)
        {
            var at = KeyPath.Key(text, key);
            if (parse(key.Value, out var name) is { } problem)
                context.Error(key, at, problem, allowed: what);
            else if (!places.TryAdd(name, key.Line))
                context.Error(key, at, string.Create(CultureInfo.InvariantCulture, $"the key stands on line {places[name]} already"));
            else if (shape.TryBind(item, at, context, out var one))
                values.Add(name, one);
        }

        value = new ConfigDictionary<T>(values);
        return true;
    }

    public override void Explain(ConfigDictionary<T> value, in Setting setting, List<EffectiveSetting> settings)
    {
        if (value.Count == 0)
            settings.Add(new EffectiveSetting(setting.Path, "{}", setting.Origin));
        foreach (var (name, item) in value)
            shape.Explain(item, new Setting($"{setting.Path}.{KeyPath.Segment(name)}", setting.Origin), settings);
    }

    public override ShapeInfo Describe() => new MapInfo(Allowed, pattern, shape.Describe(), least);
}
