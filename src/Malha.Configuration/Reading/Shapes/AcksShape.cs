using System.Diagnostics.CodeAnalysis;
using Malha.Configuration.Reading.Yaml;

namespace Malha.Configuration.Reading.Shapes;

/// <summary>A level of acknowledgement: by its name, or by the number that people say.</summary>
internal sealed class AcksShape : Shape<AckChoice>
{
    private static readonly ChoiceShape<AckChoice> Words = new(
        ("none", AckChoice.None), ("leader", AckChoice.Leader), ("all", AckChoice.All),
        ("0", AckChoice.None), ("1", AckChoice.Leader), ("2", AckChoice.All), ("-1", AckChoice.All));

    public override string Allowed => Words.Allowed;

    public override bool TryBind(YamlNode node, in KeyPath path, BindContext context, [MaybeNullWhen(false)] out AckChoice value) =>
        Words.TryBind(node, path, context, out value);

    public override void Explain(AckChoice value, in Setting setting, List<EffectiveSetting> settings) => Words.Explain(value, setting, settings);

    public override ShapeInfo Describe() => new EitherInfo(Allowed, [new ChoiceInfo("a name", ["none", "leader", "all"]), new IntegerInfo("a number", -1, 2, [])]);
}
