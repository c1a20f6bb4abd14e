using System.Diagnostics.CodeAnalysis;
using Malha.Configuration.Reading.Yaml;

namespace Malha.Configuration.Reading.Shapes;

/// <summary>A record in its short form, one piece of text, or in its long form, a map.</summary>
/// <param name="text">The short form.</param>
/// <param name="key">The key of the long form that it stands for.</param>
/// <param name="make">Makes the record from it.</param>
/// <param name="section">The long form.</param>
internal sealed class EitherShape<TText, T>(Shape<TText> text, string key, Func<TText, T> make, Section<T> section) : Shape<T> where T : ConfigItem
{
    public override string Allowed { get; } = $"{text.Allowed}, or {section.Allowed}";

    public override bool TryBind(YamlNode node, in KeyPath path, BindContext context, [MaybeNullWhen(false)] out T value)
    {
        value = null;
        if (node is YamlMap)
            return section.TryBind(node, path, context, out value);
        if (node is not YamlText { IsNull: false })
        {
            context.WrongKind(node, path, Allowed);
            return false;
        }

        if (!text.TryBind(node, path, context, out var content))
            return false;
        SourceSpan.KeyPlace[] keys = [new(key, node.Line, node.Column)];
        value = (T)make(content).At(new SourceSpan(context.File, node.Line, node.Column, path.Text, keys, broken: false));
        return true;
    }

    public override void Explain(T value, in Setting setting, List<EffectiveSetting> settings) => section.Explain(value, setting, settings);

    public override ShapeInfo Describe() => new EitherInfo(Allowed, [text.Describe(), section.Describe()]);
}
