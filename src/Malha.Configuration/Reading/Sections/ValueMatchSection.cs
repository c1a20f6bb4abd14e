using Malha.Configuration.Reading.Shapes;
using Forms = Malha.Configuration.Reading.Shapes.Shapes;

namespace Malha.Configuration.Reading.Sections;

internal static class ValueMatchSection
{
    private static readonly Section<ValueMatchConfig> Long =
        new Section<ValueMatchConfig>("one of { exact: text }, { prefix: text }, { present: true }, { present: false }",
            _ => new ValueMatchConfig())
        .Optional("exact", Forms.AnyText, null, m => m.Kind == ValueMatchKind.Exact ? m.Text : null,
            (m, v) => m with { Kind = ValueMatchKind.Exact, Text = v }, "The whole value.")
        .Optional("prefix", Forms.AnyText, null, m => m.Kind == ValueMatchKind.Prefix ? m.Text : null,
            (m, v) => m with { Kind = ValueMatchKind.Prefix, Text = v }, "How the value begins.")
        .Optional("present", Forms.Boolean, null, m => m.Kind == ValueMatchKind.Present ? true : m.Kind == ValueMatchKind.Absent ? false : null,
            (m, v) => m with { Kind = v ? ValueMatchKind.Present : ValueMatchKind.Absent, Text = "" }, "Whether there is a value at all.")
        .ExactlyOneKey();

    /// <summary>Text for an exact match, or a map that says how to compare.</summary>
    public static Shape<ValueMatchConfig> Shape { get; } =
        new EitherShape<string, ValueMatchConfig>(Forms.AnyText, "exact", text => new ValueMatchConfig { Text = text }, Long);
}
