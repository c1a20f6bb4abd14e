using Malha.Proxy.Http1;

namespace Malha.Proxy.Routing;

/// <summary>
/// One request's search through the patterns of a host: all that take the path are visited, and the best rank wins. The order of the visit does not
/// matter then; going into literals first only lets the rest be passed by.
/// </summary>
internal ref struct RouteSearch
{
    private readonly RequestHead _head;
    private readonly Span<byte> _allow;
    private int _bestRank;

    /// <param name="head">The request.</param>
    /// <param name="allow">Where to collect the methods that would be taken; empty: they are not.</param>
    public RouteSearch(RequestHead head, Span<byte> allow = default)
    {
        _head = head;
        _allow = allow;
        _bestRank = int.MaxValue;
    }

    public RouteModel? Found { get; private set; }

    /// <summary>Whether a route would have been taken but for the method.</summary>
    public bool MethodDiffered { get; private set; }

    /// <summary>How many bytes of methods were collected.</summary>
    public int AllowLength { get; private set; }

    /// <param name="node">Where the search stands.</param>
    /// <param name="rest">What the path has after it: empty, or from a slash on.</param>
    public void Walk(PathNode node, scoped ReadOnlySpan<byte> rest)
    {
        if (node.BestRank >= _bestRank)
            return;

        if (rest.IsEmpty)
        {
            Try(node.Whole);
        }
        else
        {
            var after = rest;
            var segment = PathModel.NextSegment(ref after);
            if (node.Literal(segment) is { } child)
                Walk(child, after);
            if (node.Parameter is { } parameter && !segment.IsEmpty)
                Walk(parameter, after);
        }
        Try(node.Rest);
    }

    /// <summary>Looks at routes whose host and path fit, by rank.</summary>
    public void Try(ReadOnlySpan<RouteModel> routes)
    {
        foreach (var route in routes)
        {
            if (route.Rank >= _bestRank)
                return;
            var methodFits = route.Methods.Takes(_head);
            if (!route.ConditionsHold(_head))
                continue;
            if (methodFits)
            {
                Found = route;
                _bestRank = route.Rank;
                return;
            }
            MethodDiffered = true;
            foreach (var method in route.Methods.Names)
                Collect(method);
        }
    }

    private void Collect(ReadOnlySpan<byte> method)
    {
        var list = (ReadOnlySpan<byte>)_allow[..AllowLength];
        var rest = list;
        while (HttpSyntax.NextElement(ref rest, out var known))
        {
            if (known.SequenceEqual(method))
                return;
        }
        var separator = list.IsEmpty ? default : ", "u8;
        if (_allow.Length < list.Length + separator.Length + method.Length)
            return;
        separator.CopyTo(_allow[list.Length..]);
        method.CopyTo(_allow[(list.Length + separator.Length)..]);
        AllowLength += separator.Length + method.Length;
    }
}
