using System.Diagnostics.CodeAnalysis;
using Malha.Configuration.Reading.Yaml;

namespace Malha.Configuration.Reading.Shapes;

/// <summary>A secret, by reference. What is written in its place is never repeated: it may be the secret itself.</summary>
internal sealed class SecretShape : Shape<Secret>
{
    private const string Pattern = "^(env|file):.+$";

    public override string Allowed => "env:NAME or file:PATH";

    public static bool IsReference(string text) =>
        text.StartsWith("env:", StringComparison.Ordinal) || text.StartsWith("file:", StringComparison.Ordinal);

    public override bool TryBind(YamlNode node, in KeyPath path, BindContext context, [MaybeNullWhen(false)] out Secret value)
    {
        value = null;
        if (node is not YamlText { IsNull: false } text)
        {
            context.WrongKind(node, path, Allowed);
            return false;
        }

        if (!IsReference(text.Value))
        {
            context.Error(node, path, "a secret is not written in clear; put it into an environment variable or a file", allowed: Allowed);
            return false;
        }

        if (context.Secrets.Read(text.Value, out var problem) is not { } secret)
        {
            context.Error(node, path, problem, allowed: Allowed);
            return false;
        }

        if (secret.AsSpan().IndexOfAnyExceptInRange('!', '~') >= 0)
        {
            // It travels in a header field.
            context.Error(node, path, $"the secret from {Printable.Quote(text.Value)} holds a space, a line break or a character that is not ASCII");
            return false;
        }

        value = new Secret(secret, text.Value);
        return true;
    }

    public override void Explain(Secret value, in Setting setting, List<EffectiveSetting> settings) =>
        settings.Add(new EffectiveSetting(setting.Path, $"*** ({Printable.Escape(value.Origin)})", setting.Origin));

    public override ShapeInfo Describe() => new PatternInfo(Allowed, Pattern);
}

/// <summary>A file that is used where it is.</summary>
/// <param name="what">What it holds, in words.</param>
/// <param name="check">Null when the content is right, else what is wrong with it.</param>
internal sealed class FileShape(string what, Func<byte[], string?> check) : Shape<ConfigFile>
{
    public override string Allowed => $"file:PATH of {what}";

    public override bool TryBind(YamlNode node, in KeyPath path, BindContext context, [MaybeNullWhen(false)] out ConfigFile value)
    {
        value = null;
        if (node is not YamlText { IsNull: false } text)
        {
            context.WrongKind(node, path, Allowed);
            return false;
        }

        var problem = text.Value.StartsWith("file:", StringComparison.Ordinal) ? null : "a file is written file:PATH";
        if (problem is null && context.Secrets.TryReadFile(text.Value, out value, out var content, out problem))
            problem = check(content) is { } fault ? $"the file {Printable.Quote(text.Value[5..])} {fault}" : null;
        if (problem is null)
            return value is not null;
        context.Error(node, path, problem, allowed: Allowed);
        value = null;
        return false;
    }

    public override void Explain(ConfigFile value, in Setting setting, List<EffectiveSetting> settings) =>
        settings.Add(new EffectiveSetting(setting.Path, "file:" + Printable.Escape(value.Path), setting.Origin));

    public override ShapeInfo Describe() => new PatternInfo(Allowed, "^file:.+$");
}
