using System.Diagnostics.CodeAnalysis;
using Malha.Configuration.Reading.Yaml;

namespace Malha.Configuration.Reading.Shapes;

/// <summary>
/// What a value looks like: how it is read from the tree, how it is shown, and how the schema describes it. The tables of keys are made
/// of shapes, so that reader, schema, documentation and <c>explain</c> say the same.
/// </summary>
internal abstract class Shape<T>
{
    /// <summary>What may stand there, in words: the last part of an error.</summary>
    public abstract string Allowed { get; }

    /// <summary>Reads the value; false after reporting why it is none.</summary>
    public abstract bool TryBind(YamlNode node, in KeyPath path, BindContext context, [MaybeNullWhen(false)] out T value);

    /// <summary>Lists the value as settings: itself, or the settings within it.</summary>
    public abstract void Explain(T value, in Setting setting, List<EffectiveSetting> settings);

    public abstract ShapeInfo Describe();
}

/// <summary>The name and origin that a value is listed under.</summary>
internal readonly record struct Setting(string Path, string Origin);

/// <summary>
/// What the schema and the documentation need to know of a shape; free of the schema library, which only <c>malha schema</c> loads.
/// </summary>
internal abstract record ShapeInfo(string Allowed);

/// <summary>Text; <paramref name="Pattern"/> is a regular expression for all of it, null for any.</summary>
internal sealed record PatternInfo(string Allowed, string? Pattern) : ShapeInfo(Allowed);

/// <summary>Text that may also look like a number or truth value, since it is taken as it is written.</summary>
internal sealed record AnyTextInfo(string Allowed) : ShapeInfo(Allowed);

internal sealed record ChoiceInfo(string Allowed, IReadOnlyList<string> Choices) : ShapeInfo(Allowed);

internal sealed record IntegerInfo(string Allowed, long Least, long Most, IReadOnlyList<long> Choices) : ShapeInfo(Allowed);

internal sealed record BooleanInfo(string Allowed) : ShapeInfo(Allowed);

internal sealed record ListInfo(string Allowed, ShapeInfo Item, int Least) : ShapeInfo(Allowed);

internal sealed record MapInfo(string Allowed, string KeyPattern, ShapeInfo Value, int Least) : ShapeInfo(Allowed);

internal sealed record SectionInfo(string Allowed, IReadOnlyList<KeyInfo> Keys, bool ExactlyOne = false) : ShapeInfo(Allowed);

internal sealed record EitherInfo(string Allowed, IReadOnlyList<ShapeInfo> Shapes) : ShapeInfo(Allowed);

/// <summary>One key of a section.</summary>
/// <param name="Name">The key.</param>
/// <param name="Summary">What it means.</param>
/// <param name="IsRequired">Whether the section is incomplete without it.</param>
/// <param name="Default">What is in force without it, as it would be written, or null.</param>
/// <param name="Origin">Why that, or what holds instead of a default.</param>
/// <param name="Shape">What its value looks like.</param>
internal sealed record KeyInfo(string Name, string Summary, bool IsRequired, string? Default, string? Origin, ShapeInfo Shape);
