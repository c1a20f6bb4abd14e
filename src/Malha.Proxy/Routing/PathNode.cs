namespace Malha.Proxy.Routing;

/// <summary>
/// One segment of the patterns of a host, as a tree: below it the patterns that go on. Built once, then only read.
/// </summary>
internal sealed class PathNode
{
    private Dictionary<byte[], PathNode>.AlternateLookup<ReadOnlySpan<byte>> _literals;
    private byte[]? _onlyLiteral;
    private PathNode? _onlyChild;
    private bool _many;

    /// <summary>The best rank of all routes at and below this node: a search that has a better one passes by.</summary>
    public int BestRank { get; private set; } = int.MaxValue;

    /// <summary>Routes whose pattern ends here, by rank.</summary>
    public RouteModel[] Whole { get; private set; } = [];

    /// <summary>Routes whose pattern goes on with <c>/**</c>, by rank.</summary>
    public RouteModel[] Rest { get; private set; } = [];

    /// <summary>What follows any segment that is not empty.</summary>
    public PathNode? Parameter { get; private set; }

    public PathNode? Literal(ReadOnlySpan<byte> segment)
    {
        // Most nodes have one child: a comparison is then cheaper than a hash.
        if (!_many)
            return _onlyChild is not null && segment.SequenceEqual(_onlyLiteral) ? _onlyChild : null;
        return _literals.TryGetValue(segment, out var child) ? child : null;
    }

    /// <summary>Collects the patterns of one host while a table is built. Routes come in the order of their rank.</summary>
    internal sealed class Builder
    {
        private readonly List<RouteModel> _whole = [];
        private readonly List<RouteModel> _rest = [];
        private Dictionary<byte[], Builder>? _literals;
        private Builder? _parameter;

        public void Add(RouteModel route)
        {
            var node = this;
            foreach (var segment in route.Path.Segments)
                node = segment is null ? node._parameter ??= new Builder() : node.Child(segment);
            (route.Path.TakesRest ? node._rest : node._whole).Add(route);
        }

        public PathNode Build()
        {
            var node = new PathNode { Whole = [.. _whole], Rest = [.. _rest], Parameter = _parameter?.Build() };
            if (_literals is not null)
                AddLiterals(node, _literals);
            foreach (var routes in (ReadOnlySpan<RouteModel[]>)[node.Whole, node.Rest])
            {
                if (routes.Length > 0)
                    node.BestRank = Math.Min(node.BestRank, routes[0].Rank);
            }
            node.BestRank = Math.Min(node.BestRank, node.Parameter?.BestRank ?? int.MaxValue);
            return node;
        }

        private static void AddLiterals(PathNode node, Dictionary<byte[], Builder> literals)
        {
            var children = new Dictionary<byte[], PathNode>(literals.Count, ByteKeys.Exact);
            foreach (var (literal, builder) in literals)
            {
                var child = builder.Build();
                children.Add(literal, child);
                node.BestRank = Math.Min(node.BestRank, child.BestRank);
                (node._onlyLiteral, node._onlyChild) = (literal, child);
            }

            node._many = children.Count > 1;
            node._literals = children.GetAlternateLookup<ReadOnlySpan<byte>>();
        }

        private Builder Child(byte[] literal)
        {
            _literals ??= new Dictionary<byte[], Builder>(ByteKeys.Exact);
            if (!_literals.TryGetValue(literal, out var child))
                _literals.Add(literal, child = new Builder());
            return child;
        }
    }
}
