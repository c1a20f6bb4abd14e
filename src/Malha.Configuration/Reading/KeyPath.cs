using System.Globalization;
using Malha.Configuration.Reading.Yaml;

namespace Malha.Configuration.Reading;

/// <summary>
/// The way from the top of the file to a value, and the place of its key. The text of the path is put together when somebody asks.
/// </summary>
/// <param name="Parent">The path of the map or list around it.</param>
/// <param name="Name">The key in a map; null in a list.</param>
/// <param name="Index">The position in a list.</param>
/// <param name="Line">Of the key in a map, of the item in a list.</param>
/// <param name="Column">Of the key in a map, of the item in a list.</param>
internal readonly record struct KeyPath(string Parent, string? Name, int Index, int Line, int Column)
{
    public static KeyPath Top { get; } = new("", "", 0, 1, 1);

    public string Text => Name switch
    {
        null => string.Create(CultureInfo.InvariantCulture, $"{Parent}[{Index}]"),
        "" when Parent.Length == 0 => "",
        _ => Parent.Length == 0 ? Segment(Name) : $"{Parent}.{Segment(Name)}",
    };

    public static KeyPath Key(string parent, YamlText key) => new(parent, key.Value, 0, key.Line, key.Column);

    public static KeyPath Item(string parent, int index, YamlNode item) => new(parent, null, index, item.Line, item.Column);

    /// <summary>A name as it stands in a path; one that is more than letters, digits, - and _ is quoted.</summary>
    public static string Segment(string name)
    {
        if (name.Length is > 0 and <= 63)
        {
            var plain = true;
            foreach (var c in name)
                plain &= char.IsAsciiLetterOrDigit(c) || c is '-' or '_';
            if (plain)
                return name;
        }

        return Printable.Quote(name);
    }
}
