using System.Globalization;
using Malha.Configuration.Reading.Sections;
using Malha.Configuration.Reading.Shapes;
using NJsonSchema;

namespace Malha.Configuration;

/// <summary>
/// The JSON schema of <c>malha.yaml</c> for editors, made from the reader's own tables of keys. It is never narrower than the reader;
/// what only the reader knows (ranges of durations, references, contradictions) it leaves open.
/// </summary>
public static class MalhaSchema
{
    /// <summary>The schema (JSON Schema draft 4, which all editors read).</summary>
    public static string ToJson()
    {
        var schema = Write(FileSection.Section.Describe());
        schema.Title = "Malha configuration";
        schema.Description = "One file for every role of Malha: listeners, services, routes.";
        return schema.ToJson();
    }

    private static JsonSchema Write(ShapeInfo info) => Fill(new JsonSchema(), info);

    private static T Fill<T>(T schema, ShapeInfo info) where T : JsonSchema
    {
        switch (info)
        {
            case SectionInfo section:
                FillObject(schema, section);
                break;
            case MapInfo map:
                schema.Type = JsonObjectType.Object;
                schema.AllowAdditionalProperties = false;
                schema.PatternProperties[map.KeyPattern] = Fill(new JsonSchemaProperty(), map.Value);
                schema.MinProperties = map.Least;
                break;
            case ListInfo list:
                schema.Type = JsonObjectType.Array;
                schema.Item = Write(list.Item);
                schema.MinItems = list.Least;
                break;
            case EitherInfo either:
                foreach (var shape in either.Shapes)
                    schema.AnyOf.Add(Write(shape));
                break;
            case ChoiceInfo choice:
                schema.Type = JsonObjectType.String;
                foreach (var word in choice.Choices)
                    schema.Enumeration.Add(word);
                break;
            case IntegerInfo integer:
                FillInteger(schema, integer);
                break;
            case BooleanInfo:
                schema.Type = JsonObjectType.Boolean;
                break;
            case PatternInfo text:
                schema.Type = JsonObjectType.String;
                schema.Pattern = text.Pattern;
                break;
            case AnyTextInfo:
                schema.Type = JsonObjectType.String | JsonObjectType.Number | JsonObjectType.Boolean;
                break;
            default:
                throw new InvalidOperationException($"a shape without a schema: {info.GetType().Name}");
        }

        return schema;
    }

    private static void FillObject(JsonSchema schema, SectionInfo section)
    {
        schema.Type = JsonObjectType.Object;
        schema.AllowAdditionalProperties = false;
        if (section.ExactlyOne)
            (schema.MinProperties, schema.MaxProperties) = (1, 1);
        foreach (var key in section.Keys)
        {
            var property = Fill(new JsonSchemaProperty(), key.Shape);
            property.Description = Describe(key);
            property.Default = Default(key);
            schema.Properties[key.Name] = property;
            if (key.IsRequired)
                schema.RequiredProperties.Add(key.Name);
        }
    }

    private static void FillInteger(JsonSchema schema, IntegerInfo integer)
    {
        schema.Type = JsonObjectType.Integer;
        if (integer.Choices.Count == 0)
            (schema.Minimum, schema.Maximum) = (integer.Least, integer.Most);
        foreach (var choice in integer.Choices)
            schema.Enumeration.Add(choice);
    }

    private static string Describe(KeyInfo key)
    {
        var without = key.Default is null ? key.Origin is null ? "" : $" Without it: {key.Origin}." : $" Default: {key.Default} ({key.Origin}).";
        // What a map holds, its own keys say.
        var allowed = key.Shape is SectionInfo or MapInfo ? "" : $" Allowed: {key.Shape.Allowed}.";
        return key.Summary + allowed + without;
    }

    private static object? Default(KeyInfo key) => (key.Default, key.Shape) switch
    {
        (null, _) or (_, ListInfo or MapInfo or SectionInfo) => null,
        ({ } text, IntegerInfo) => long.Parse(text, CultureInfo.InvariantCulture),
        // Beside words a number is still a number.
        ({ } text, EitherInfo either) when either.Shapes.Any(shape => shape is IntegerInfo)
            && long.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var number) => number,
        ({ } text, BooleanInfo) => text == "true",
        var (text, _) => text,
    };
}
