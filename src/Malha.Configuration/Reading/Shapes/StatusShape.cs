using System.Diagnostics.CodeAnalysis;
using Malha.Configuration.Reading.Yaml;

namespace Malha.Configuration.Reading.Shapes;

/// <summary>HTTP statuses: one such as 200, a class such as 2xx, or a list of them.</summary>
internal sealed class StatusShape : Shape<ConfigList<StatusRange>>
{
    private const string Words = "a status such as 200, a class such as 2xx, or a list of them";

    private static readonly ListShape<StatusRange> List =
        new(new TextShape<StatusRange>("a status such as 200 or a class such as 2xx", null, StatusRange.Read, range => range.ToString()), least: 1, isSet: true);

    public override string Allowed => Words;

    public override bool TryBind(YamlNode node, in KeyPath path, BindContext context, [MaybeNullWhen(false)] out ConfigList<StatusRange> value)
    {
        if (node is YamlList)
            return List.TryBind(node, path, context, out value);
        value = null;
        if (node is not YamlText { IsNull: false } text)
            context.WrongKind(node, path, Words);
        else if (StatusRange.Read(text.Value, out var range) is { } problem)
            context.Error(node, path, problem, allowed: Words);
        else
            value = [range];
        return value is not null;
    }

    public override void Explain(ConfigList<StatusRange> value, in Setting setting, List<EffectiveSetting> settings) =>
        settings.Add(new EffectiveSetting(setting.Path, value.Count == 1 ? value[0].ToString() : value.ToString(), setting.Origin));

    public override ShapeInfo Describe()
    {
        var one = new EitherInfo(Words, [new IntegerInfo(Words, 200, 599, []), new PatternInfo(Words, "^([2-5][0-9][0-9]|[2-5][xX][xX])$")]);
        return new EitherInfo(Words, [one, new ListInfo(Words, one, 1)]);
    }
}
