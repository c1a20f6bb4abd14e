using System.Text;
using Malha.Configuration;
using Malha.Proxy.Http1;

namespace Malha.Proxy.Routing;

/// <summary>A condition on a header field or a query parameter: some value of that name fits, or, for <c>absent</c>, there is none.</summary>
internal sealed class ValueMatcher
{
    private readonly byte[] _name;
    private readonly byte[] _text;
    private readonly ValueMatchKind _kind;
    private readonly KnownHeader _known;

    public ValueMatcher(string name, ValueMatchConfig config)
    {
        Name = name;
        Config = config;
        _name = Encoding.UTF8.GetBytes(name);
        _text = Encoding.UTF8.GetBytes(config.Text);
        _kind = config.Kind;
        _known = KnownHeaders.Find(_name);
    }

    public string Name { get; }

    public ValueMatchConfig Config { get; }

    /// <summary>As a condition on header fields. Each line is looked at by itself; values are compared byte by byte.</summary>
    public bool HeaderHolds(RequestHead head)
    {
        if (head.Has(_known))
        {
            foreach (ref readonly var field in head.Fields)
            {
                if (field.Known != _known || (_known == KnownHeader.Other && !HttpSyntax.EqualsIgnoreCase(head.Bytes(field.Name), _name)))
                    continue;
                if (_kind == ValueMatchKind.Absent)
                    return false;
                if (ValueFits(head.Bytes(field.Value)))
                    return true;
            }
        }
        return _kind == ValueMatchKind.Absent;
    }

    /// <summary>As a condition on query parameters, which are compared decoded.</summary>
    public bool QueryHolds(ReadOnlySpan<byte> query)
    {
        while (QueryText.Next(ref query, out var name, out var value))
        {
            if (!QueryText.Equals(name, _name))
                continue;
            if (_kind == ValueMatchKind.Absent)
                return false;
            if (_kind == ValueMatchKind.Present || (_kind == ValueMatchKind.Exact ? QueryText.Equals(value, _text) : QueryText.StartsWith(value, _text)))
                return true;
        }
        return _kind == ValueMatchKind.Absent;
    }

    private bool ValueFits(ReadOnlySpan<byte> value) => _kind switch
    {
        ValueMatchKind.Exact => value.SequenceEqual(_text),
        ValueMatchKind.Prefix => value.StartsWith(_text),
        _ => true,
    };
}
