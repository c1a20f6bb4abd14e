using System.Diagnostics.CodeAnalysis;
using Malha.Configuration.Reading.Yaml;

namespace Malha.Configuration.Reading.Shapes;

/// <summary>Reads a value from text: null when it could, otherwise what is wrong with the text.</summary>
internal delegate string? TextParser<T>(string text, out T value);

/// <summary>A value that is written as one piece of text.</summary>
/// <param name="allowed">What may stand there.</param>
/// <param name="pattern">A regular expression for the schema, no narrower than the parser; null for any text.</param>
/// <param name="parse">Reads it. Its message may repeat the text (quoted) unless that could be a secret.</param>
/// <param name="format">Writes it.</param>
internal sealed class TextShape<T>(string allowed, string? pattern, TextParser<T> parse, Func<T, string> format) : Shape<T>
{
    public override string Allowed => allowed;

    public override bool TryBind(YamlNode node, in KeyPath path, BindContext context, [MaybeNullWhen(false)] out T value)
    {
        if (node is not YamlText { IsNull: false } text)
        {
            context.WrongKind(node, path, allowed);
            value = default;
            return false;
        }

        if (parse(text.Value, out value) is not { } problem)
            return true;
        context.Error(node, path, problem, allowed: allowed);
        return false;
    }

    public override void Explain(T value, in Setting setting, List<EffectiveSetting> settings) =>
        settings.Add(new EffectiveSetting(setting.Path, Printable.Escape(format(value)), setting.Origin));

    public override ShapeInfo Describe() => pattern is null ? new AnyTextInfo(allowed) : new PatternInfo(allowed, pattern);
}

/// <summary>One of a few words.</summary>
internal sealed class ChoiceShape<T>(params (string Word, T Value)[] choices) : Shape<T>
{
    public override string Allowed { get; } = string.Join(", ", choices.Select(choice => choice.Word));

    public override bool TryBind(YamlNode node, in KeyPath path, BindContext context, [MaybeNullWhen(false)] out T value)
    {
        value = default;
        if (node is not YamlText { IsNull: false } text)
        {
            context.WrongKind(node, path, Allowed);
            return false;
        }

        foreach (var choice in choices)
        {
            if (choice.Word == text.Value)
            {
                value = choice.Value;
                return true;
            }
        }

        var suggestion = context.Suggestion.Nearest(text.Value, choices.Select(choice => choice.Word));
        context.Error(node, path, $"{Printable.Quote(text.Value)} is none of the choices", suggestion, Allowed);
        return false;
    }

    public override void Explain(T value, in Setting setting, List<EffectiveSetting> settings)
    {
        var word = Array.Find(choices, choice => EqualityComparer<T>.Default.Equals(choice.Value, value)).Word;
        settings.Add(new EffectiveSetting(setting.Path, word, setting.Origin));
    }

    public override ShapeInfo Describe() => new ChoiceInfo(Allowed, [.. choices.Select(choice => choice.Word)]);
}

/// <summary>The word <c>off</c> for no limit, or a value of another shape.</summary>
internal sealed class OrOffShape<T>(Shape<T> shape) : Shape<T?> where T : struct
{
    public override string Allowed { get; } = shape.Allowed + ", or off";

    public override bool TryBind(YamlNode node, in KeyPath path, BindContext context, [MaybeNullWhen(false)] out T? value)
    {
        value = null;
        if (node is YamlText { Value: "off" })
            return true;
        if (!shape.TryBind(node, path, context, out var some))
            return false;
        value = some;
        return true;
    }

    public override void Explain(T? value, in Setting setting, List<EffectiveSetting> settings)
    {
        if (value is { } some)
            shape.Explain(some, setting, settings);
        else
            settings.Add(new EffectiveSetting(setting.Path, "off", setting.Origin));
    }

    public override ShapeInfo Describe() => new EitherInfo(Allowed, [new ChoiceInfo("off", ["off"]), shape.Describe()]);
}
