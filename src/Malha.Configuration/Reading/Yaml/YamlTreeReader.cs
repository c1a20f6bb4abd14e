using YamlDotNet.Core;
using YamlDotNet.Core.Events;

namespace Malha.Configuration.Reading.Yaml;

/// <summary>
/// Builds the tree from YamlDotNet's events. Its own node tree would end the process on deep nesting (it is built by recursion) and
/// stop at the first key that occurs twice; this one is bounded, and leaves all but the syntax to be judged with the rest.
/// </summary>
internal sealed class YamlTreeReader
{
    /// <summary>The format is 7 deep; flow brackets cost YamlDotNet's scanner the square of their depth.</summary>
    private const int MaxDepth = 64;

    /// <summary>Aliases counted as often as they are used. A route has about 15 nodes.</summary>
    private const int MaxNodes = 4_000_000;

    private readonly string _text;
    private readonly ErrorList _errors;
    private readonly Stack<Open> _open = new();
    private readonly Dictionary<string, YamlNode> _anchors = new(StringComparer.Ordinal);
    private readonly HashSet<string> _openAnchors = new(StringComparer.Ordinal);
    private YamlNode? _root;
    private Mark _last = new(0, 1, 1);

    private YamlTreeReader(string text, ErrorList errors)
    {
        _text = text;
        _errors = errors;
    }

    /// <summary>Returns the tree, or null after reporting the one error that made the rest unreadable.</summary>
    public static YamlNode? Read(string text, ErrorList errors) => new YamlTreeReader(text, errors).Read();

    private YamlNode? Read()
    {
        if (!TextCheck.Pass(_text, _errors))
            return null;

        try
        {
            var parser = new Parser(new StringReader(_text));
            while (parser.MoveNext())
            {
                if (!Take(parser.Current!))
                    return null;
                _last = parser.Current!.End;
            }
        }
        catch (Exception fault)
        {
            // YamlDotNet reports most faults as YamlException, some as an exception of its stacks and queues.
            YamlFault.Report(fault, _text, _open.TryPeek(out var open) && open.IsFlow ? open.Node : null, _last, _errors);
            return null;
        }

        if (_root is null)
            _errors.Add(1, 1, "", "the file is empty", allowed: "at least listeners and routes");
        return _root;
    }

    /// <summary>False after a fault that ends the reading.</summary>
    private bool Take(ParsingEvent current)
    {
        var (line, column) = ((int)current.Start.Line, (int)current.Start.Column);
        switch (current)
        {
            case DocumentStart when _root is not null:
                return Fault(line, column, "a second document begins here; the configuration is one document");
            case NodeEvent { Tag.IsEmpty: false, Tag.Value: not ("?" or "!") } tagged:
                return Fault(line, column, $"the tag {Printable.Quote(tagged.Tag.Value)} has no meaning here; leave it out");
            case Scalar scalar:
                return Add(new YamlText(scalar.Value, scalar.Style == ScalarStyle.Plain, line, column), scalar.Anchor);
            case AnchorAlias alias:
                return AddAlias(alias.Value.Value, line, column);
            case MappingStart start:
                return Start(new YamlMap(line, column), start.Anchor, start.Style == MappingStyle.Flow);
            case SequenceStart start:
                return Start(new YamlList(line, column), start.Anchor, start.Style == SequenceStyle.Flow);
            case MappingEnd or SequenceEnd:
                return End();
            default:
                return true;
        }
    }

    private bool Start(YamlNode node, AnchorName anchor, bool isFlow)
    {
        if (_open.Count == MaxDepth)
            return Fault(node.Line, node.Column, "nested deeper than 64 levels");
        var name = anchor.IsEmpty ? null : anchor.Value;
        if (name is not null)
            _openAnchors.Add(name);
        _open.Push(new Open(node, name, isFlow));
        return true;
    }

    private bool End()
    {
        var open = _open.Pop();
        if (open.Node is YamlMap map && !MergeKeys(map))
            return false;
        if (open.Anchor is not null)
            _openAnchors.Remove(open.Anchor);
        return Add(open.Node, open.Anchor is null ? AnchorName.Empty : new AnchorName(open.Anchor));
    }

    private bool AddAlias(string name, int line, int column)
    {
        if (_openAnchors.Contains(name))
            return Fault(line, column, $"the alias {Printable.Quote("*" + name)} lies within what it stands for");
        if (_anchors.TryGetValue(name, out var node))
            return Add(node, AnchorName.Empty);

        var hint = name.StartsWith('.') ? "; a wildcard is quoted: " + Printable.Quote("*" + name) : "; text that begins with * is quoted";
        return Fault(line, column, $"no anchor {Printable.Quote("&" + name)} stands before this alias{hint}");
    }

    private bool Add(YamlNode node, AnchorName anchor)
    {
        if (!anchor.IsEmpty)
            _anchors[anchor.Value] = node;
        if (!_open.TryPeek(out var open))
        {
            _root = node;
            return true;
        }

        if (open.Node is YamlList list)
        {
            list.Items.Add(node);
        }
        else if (open.Key is { } key)
        {
            ((YamlMap)open.Node).Entries.Add(new YamlEntry(key, node));
            open.Key = null;
        }
        else if (node is YamlText text)
        {
            open.Key = text;
        }
        else
        {
            return Fault(node.Line, node.Column, $"a key is text, not {node.KindName}");
        }

        return Grow(open.Node, node.Size);
    }

    /// <summary>Each node knows its size with aliases expanded, so that a few nested aliases cannot stand for billions of nodes.</summary>
    private bool Grow(YamlNode node, int by)
    {
        // Neither is above the limit, so the sum is no overflow.
        node.Size += by;
        return node.Size <= MaxNodes || Fault(node.Line, node.Column, "more than 4000000 values, aliases counted as often as they are used");
    }

    /// <summary><c>&lt;&lt;: *anchor</c> adds the entries of one map, or of a list of them, that are not there yet.</summary>
    private bool MergeKeys(YamlMap map)
    {
        var at = map.Entries.FindIndex(entry => entry.Key is { IsPlain: true, Value: "<<" });
        if (at < 0)
            return true;

        var merge = map.Entries[at];
        map.Entries.RemoveAt(at);
        var sources = merge.Value is YamlList list ? list.Items : [merge.Value];
        var present = new HashSet<string>(map.Entries.Select(entry => entry.Key.Value), StringComparer.Ordinal);
        foreach (var source in sources)
        {
            if (source is not YamlMap other)
                return Fault(merge.Key.Line, merge.Key.Column, "<< takes a map or a list of maps");
            foreach (var entry in other.Entries)
            {
                if (present.Add(entry.Key.Value))
                    map.Entries.Add(entry);
            }
        }

        return true;
    }

    private bool Fault(int line, int column, string problem)
    {
        _errors.Add(line, column, "", problem);
        return false;
    }

    private sealed class Open(YamlNode node, string? anchor, bool isFlow)
    {
        public YamlNode Node { get; } = node;

        public string? Anchor { get; } = anchor;

        public bool IsFlow { get; } = isFlow;

        /// <summary>The key of a map whose value comes next.</summary>
        public YamlText? Key { get; set; }
    }
}
