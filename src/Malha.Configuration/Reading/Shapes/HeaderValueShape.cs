using System.Diagnostics.CodeAnalysis;
using Malha.Configuration.Reading.Yaml;

namespace Malha.Configuration.Reading.Shapes;

/// <summary>The value of a header field, and where it came from when it is a secret.</summary>
internal readonly record struct HeaderValue(string Text, string? Origin);

/// <summary>The value of a header field, in clear or by reference.</summary>
internal sealed class HeaderValueShape : Shape<HeaderValue>
{
    public override string Allowed => "a value, env:NAME or file:PATH";

    public override bool TryBind(YamlNode node, in KeyPath path, BindContext context, [MaybeNullWhen(false)] out HeaderValue value)
    {
        value = default;
        if (node is not YamlText { IsNull: false } text)
        {
            context.WrongKind(node, path, Allowed);
            return false;
        }

        var origin = SecretShape.IsReference(text.Value) ? text.Value : null;
        var problem = "";
        var content = origin is null ? text.Value : context.Secrets.Read(origin, out problem);
        if (content is null)
        {
            context.Error(node, path, problem);
            return false;
        }

        // The text itself is not repeated: it may be a secret.
        if ((content.Length == 0 ? "is empty" : HttpSyntax.WhyNoFieldValue(content)) is { } fault)
        {
            context.Error(node, path, $"the value {fault}");
            return false;
        }

        value = new HeaderValue(content, origin);
        return true;
    }

    public override void Explain(HeaderValue value, in Setting setting, List<EffectiveSetting> settings) =>
        settings.Add(new EffectiveSetting(setting.Path, value.Origin is null ? Printable.Escape(value.Text) : $"*** ({Printable.Escape(value.Origin)})", setting.Origin));

    public override ShapeInfo Describe() => new AnyTextInfo(Allowed);
}
