using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using Malha.Configuration.Reading.Yaml;

namespace Malha.Configuration.Reading.Shapes;

/// <summary>One value, or a list of some.</summary>
/// <param name="item">The shape of each.</param>
/// <param name="most">The most that a list may hold.</param>
/// <param name="orOff">Whether <c>off</c> stands for none.</param>
internal sealed class OneOrMoreShape<T>(Shape<T> item, int most, bool orOff = false) : Shape<ConfigList<T>>
{
    private readonly ListShape<T> _list = new(item, least: 1);

    public override string Allowed { get; } = $"{item.Allowed}, or a list of up to {most.ToString(CultureInfo.InvariantCulture)}" + (orOff ? ", or off" : "");

    public override bool TryBind(YamlNode node, in KeyPath path, BindContext context, [MaybeNullWhen(false)] out ConfigList<T> value)
    {
        value = [];
        if (orOff && node is YamlText { Value: "off" })
            return true;
        if (node is YamlList list)
        {
            if (list.Items.Count > most)
                context.Error(node, path, string.Create(CultureInfo.InvariantCulture, $"the list holds more than {most}"));
            return _list.TryBind(node, path, context, out value);
        }

        if (!item.TryBind(node, path, context, out var one))
            return false;
        value = [one];
        return true;
    }

    public override void Explain(ConfigList<T> value, in Setting setting, List<EffectiveSetting> settings)
    {
        if (value.Count == 1)
            item.Explain(value[0], setting, settings);
        else if (value.Count == 0)
            settings.Add(new EffectiveSetting(setting.Path, "off", setting.Origin));
        else
            _list.Explain(value, setting, settings);
    }

    public override ShapeInfo Describe()
    {
        ShapeInfo[] shapes = [item.Describe(), _list.Describe()];
        return new EitherInfo(Allowed, orOff ? [new ChoiceInfo("off", ["off"]), .. shapes] : shapes);
    }
}
