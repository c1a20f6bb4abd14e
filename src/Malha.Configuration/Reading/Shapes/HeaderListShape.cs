using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using Malha.Configuration.Reading.Yaml;

namespace Malha.Configuration.Reading.Shapes;

/// <summary>Header fields: a map from a name to a value, or, where a field may occur several times, to a list of values.</summary>
internal sealed class HeaderListShape(HeaderUse use) : Shape<ConfigList<HeaderConfig>>
{
    private const string Words = "a map from header name to value (text, env:NAME or file:PATH) or list of values";

    public override string Allowed => Words;

    public override bool TryBind(YamlNode node, in KeyPath path, BindContext context, [MaybeNullWhen(false)] out ConfigList<HeaderConfig> value)
    {
        value = null;
        if (node is not YamlMap map)
        {
            context.WrongKind(node, path, Words);
            return false;
        }

        var text = path.Text;
        var fields = new List<HeaderConfig>(map.Entries.Count);
        var places = new Dictionary<string, int>(StringComparer.OrdinalIgnoreCase);
        foreach (var (key, item) in map.Entries)
        {
            var at = KeyPath.Key(text, key);
            if (HeaderRules.WhyNot(key.Value, use) is { } problem)
                context.Error(key, at, problem);
            else if (!places.TryAdd(key.Value, key.Line))
                context.Error(key, at, string.Create(CultureInfo.InvariantCulture, $"the field stands on line {places[key.Value]} already"));
            else
                BindValues(key.Value, item, at, context, fields);
        }

        value = [.. fields];
        return true;
    }

    public override void Explain(ConfigList<HeaderConfig> value, in Setting setting, List<EffectiveSetting> settings)
    {
        if (value.Count == 0)
            settings.Add(new EffectiveSetting(setting.Path, "{}", setting.Origin));
        foreach (var field in value)
        {
            var shown = field.SecretOrigin is null ? Printable.Escape(field.Value) : $"*** ({Printable.Escape(field.SecretOrigin)})";
            var origin = field.Source.ToString();
            settings.Add(new EffectiveSetting($"{setting.Path}.{KeyPath.Segment(field.Name)}", shown, origin.Length == 0 ? setting.Origin : origin));
        }
    }

    public override ShapeInfo Describe()
    {
        var value = new AnyTextInfo("a value, env:NAME or file:PATH");
        var values = new EitherInfo("a value or a list of values", [value, new ListInfo("a list of values", value, 1)]);
        return new MapInfo(Words, HttpSyntax.TokenPattern, values, 0);
    }

    private void BindValues(string name, YamlNode node, in KeyPath path, BindContext context, List<HeaderConfig> fields)
    {
        if (node is not YamlList list)
        {
            BindValue(name, node, path, context, fields);
            return;
        }

        if (list.Items.Count == 0)
            context.Error(node, path, "the list is empty");
        else if (use == HeaderUse.RequestSet && name.Equals("Host", StringComparison.OrdinalIgnoreCase))
            context.Error(node, path, "a request has exactly one Host");
        var text = path.Text;
        for (var i = 0; i < list.Items.Count; i++)
            BindValue(name, list.Items[i], KeyPath.Item(text, i, list.Items[i]), context, fields);
    }

    private static void BindValue(string name, YamlNode node, in KeyPath path, BindContext context, List<HeaderConfig> fields)
    {
        if (node is not YamlText { IsNull: false } text)
        {
            context.WrongKind(node, path, "a value, env:NAME or file:PATH");
            return;
        }

        var value = text.Value;
        var origin = SecretShape.IsReference(value) ? value : null;
        if (origin is not null)
        {
            if (context.Secrets.Read(origin, out var unread) is not { } secret)
            {
                context.Error(node, path, unread);
                return;
            }

            value = secret;
        }

        if (HeaderRules.WhyNotValue(name, value) is { } problem)
        {
            context.Error(node, path, problem);
            return;
        }

        var source = new SourceSpan(context.File, node.Line, node.Column, path.Text, [], broken: false);
        fields.Add(new HeaderConfig { Name = name, Value = value, SecretOrigin = origin, Source = source });
    }
}
