namespace Malha.Configuration.Reading.Yaml;

/// <summary>A node of the file's tree and its place (line and column from 1).</summary>
internal abstract class YamlNode(int line, int column)
{
    public int Line { get; } = line;

    public int Column { get; } = column;

    /// <summary>How many nodes there are from here down, an alias counted as often as it is used.</summary>
    public int Size { get; set; } = 1;

    /// <summary>What a message calls it.</summary>
    public abstract string KindName { get; }
}

/// <summary>A scalar. What it means (a duration, a number, a name) is for its reader to say, not for YAML's own types.</summary>
internal sealed class YamlText(string value, bool isPlain, int line, int column) : YamlNode(line, column)
{
    public string Value { get; } = value;

    /// <summary>Without quotation marks and not a block.</summary>
    public bool IsPlain { get; } = isPlain;

    /// <summary>Nothing at all, <c>~</c> or <c>null</c>.</summary>
    public bool IsNull => IsPlain && Value is "" or "~" or "null" or "Null" or "NULL";

    public override string KindName => "text";
}

internal sealed class YamlList(int line, int column) : YamlNode(line, column)
{
    public List<YamlNode> Items { get; } = [];

    public override string KindName => "a list";
}

internal sealed class YamlMap(int line, int column) : YamlNode(line, column)
{
    /// <summary>In the order of the file; a key may occur twice (the reader of the map complains, since it knows the path).</summary>
    public List<YamlEntry> Entries { get; } = [];

    public override string KindName => "a map";
}

internal readonly record struct YamlEntry(YamlText Key, YamlNode Value);
