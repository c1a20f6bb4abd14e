using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using Malha.Configuration.Reading.Yaml;

namespace Malha.Configuration.Reading.Shapes;

/// <summary>A whole number without unit.</summary>
internal sealed class IntegerShape(int least, int most, params int[] choices) : Shape<int>
{
    public override string Allowed { get; } = choices.Length > 0
        ? string.Join(", ", choices)
        : string.Create(CultureInfo.InvariantCulture, $"a whole number from {least} to {most}");

    public override bool TryBind(YamlNode node, in KeyPath path, BindContext context, [MaybeNullWhen(false)] out int value)
    {
        value = 0;
        if (node is not YamlText { IsNull: false } text)
        {
            context.WrongKind(node, path, Allowed);
            return false;
        }

        if (!long.TryParse(text.Value, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var number))
        {
            context.Error(node, path, $"{Printable.Quote(text.Value)} is not a whole number", allowed: Allowed);
            return false;
        }

        if (!text.IsPlain)
        {
            context.Error(node, path, "a number stands without quotation marks", allowed: Allowed);
            return false;
        }

        value = (int)Math.Clamp(number, int.MinValue, int.MaxValue);
        if (number >= least && number <= most && (choices.Length == 0 || choices.Contains(value)))
            return true;
        context.Error(node, path, string.Create(CultureInfo.InvariantCulture, $"{number} is not allowed"), allowed: Allowed);
        return false;
    }

    public override void Explain(int value, in Setting setting, List<EffectiveSetting> settings) =>
        settings.Add(new EffectiveSetting(setting.Path, value.ToString(CultureInfo.InvariantCulture), setting.Origin));

    public override ShapeInfo Describe() => new IntegerInfo(Allowed, least, most, [.. choices]);
}

/// <summary><c>true</c> or <c>false</c>.</summary>
internal sealed class BooleanShape : Shape<bool>
{
    public override string Allowed => "true or false";

    public override bool TryBind(YamlNode node, in KeyPath path, BindContext context, [MaybeNullWhen(false)] out bool value)
    {
        value = node is YamlText { IsPlain: true, Value: "true" };
        if (value || node is YamlText { IsPlain: true, Value: "false" })
            return true;

        if (node is YamlText { IsNull: false } text)
            context.Error(node, path, $"{Printable.Quote(text.Value)} is no truth value", allowed: Allowed);
        else
            context.WrongKind(node, path, Allowed);
        return false;
    }

    public override void Explain(bool value, in Setting setting, List<EffectiveSetting> settings) =>
        settings.Add(new EffectiveSetting(setting.Path, value ? "true" : "false", setting.Origin));

    public override ShapeInfo Describe() => new BooleanInfo(Allowed);
}
