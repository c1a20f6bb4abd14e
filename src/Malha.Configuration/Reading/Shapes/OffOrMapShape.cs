using System.Diagnostics.CodeAnalysis;
using Malha.Configuration.Reading.Yaml;

namespace Malha.Configuration.Reading.Shapes;

/// <summary>The word <c>off</c>, which is null, or a map.</summary>
internal sealed class OffOrMapShape<T>(Section<T> section) : Shape<T?> where T : ConfigItem
{
    public override string Allowed { get; } = "off, or " + section.Allowed;

    public override bool TryBind(YamlNode node, in KeyPath path, BindContext context, [MaybeNullWhen(false)] out T? value)
    {
        value = null;
        if (node is YamlMap)
            return section.TryBind(node, path, context, out value);
        if (node is YamlText { Value: "off" })
            return true;

        if (node is not YamlText { IsNull: false } text)
        {
            context.WrongKind(node, path, Allowed);
            return false;
        }

        var suggestion = context.Suggestion.Nearest(text.Value, ["off"]);
        context.Error(node, path, $"{Printable.Quote(text.Value)} is none of the choices", suggestion, Allowed);
        return false;
    }

    public override void Explain(T? value, in Setting setting, List<EffectiveSetting> settings)
    {
        if (value is null)
            settings.Add(new EffectiveSetting(setting.Path, "off", setting.Origin));
        else
            section.Explain(value, setting, settings);
    }

    public override ShapeInfo Describe() => new EitherInfo(Allowed, [new ChoiceInfo("off", ["off"]), section.Describe()]);
}
