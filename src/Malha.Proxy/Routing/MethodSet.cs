using System.Text;
using Malha.Configuration;
using Malha.Proxy.Http1;

namespace Malha.Proxy.Routing;

/// <summary>The methods that a route takes. HEAD is not GET: a route that takes both names both.</summary>
internal sealed class MethodSet
{
    private readonly uint _kinds;
    private readonly byte[][] _others;

    public MethodSet(ConfigList<string> methods)
    {
        Names = [.. methods.Select(Encoding.ASCII.GetBytes)];
        foreach (var name in Names)
            _kinds |= 1u << (int)RequestHead.KindOf(name);
        _others = [.. Names.Where(name => RequestHead.KindOf(name) == HttpMethodKind.Other)];
        TakesAny = Names.Length == 0;
    }

    /// <summary>Empty: any.</summary>
    public byte[][] Names { get; }

    public bool TakesAny { get; }

    public bool Takes(RequestHead head)
    {
        if (TakesAny)
            return true;
        if ((_kinds >> (int)head.Kind & 1) == 0)
            return false;
        return head.Kind != HttpMethodKind.Other || TakesOther(head.Bytes(head.Method));
    }

    private bool TakesOther(ReadOnlySpan<byte> method)
    {
        foreach (var other in _others)
        {
            if (method.SequenceEqual(other))
                return true;
        }
        return false;
    }
}
