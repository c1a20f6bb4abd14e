namespace Malha.Proxy.Routing;

/// <summary>From a request's host to the patterns that hold for it.</summary>
internal sealed class HostTable
{
    private readonly Dictionary<byte[], PathNode>.AlternateLookup<ReadOnlySpan<byte>> _names;
    private readonly Dictionary<byte[], PathNode>.AlternateLookup<ReadOnlySpan<byte>> _wildcards;
    private readonly PathNode? _any;
    private readonly int _longestName;
    private readonly int _mostLabels;

    /// <param name="routes">By rank.</param>
    public HostTable(ReadOnlySpan<RouteModel> routes)
    {
        var names = new Dictionary<byte[], PathNode.Builder>(ByteKeys.IgnoreCase);
        var wildcards = new Dictionary<byte[], PathNode.Builder>(ByteKeys.IgnoreCase);
        var any = new PathNode.Builder();
        foreach (var route in routes)
        {
            var host = route.Host;
            Of(host).Add(route);
            if (host.Name is not null && !host.IsWildcard)
                _longestName = Math.Max(_longestName, host.Name.Length);
            else
                _mostLabels = Math.Max(_mostLabels, host.Labels);
        }

        _names = Built(names);
        _wildcards = Built(wildcards);
        _any = any.Build() is { BestRank: < int.MaxValue } node ? node : null;

        PathNode.Builder Of(HostModel host)
        {
            if (host.Name is null)
                return any;
            var table = host.IsWildcard ? wildcards : names;
            if (!table.TryGetValue(host.Name, out var builder))
                table.Add(host.Name, builder = new PathNode.Builder());
            return builder;
        }
    }

    /// <summary>The patterns that hold for a host, the most specific host first.</summary>
    public Enumerator For(ReadOnlySpan<byte> host) => new(this, host);

    private static Dictionary<byte[], PathNode>.AlternateLookup<ReadOnlySpan<byte>> Built(Dictionary<byte[], PathNode.Builder> builders)
    {
        var built = new Dictionary<byte[], PathNode>(builders.Count, ByteKeys.IgnoreCase);
        foreach (var (host, builder) in builders)
            built.Add(host, builder.Build());
        return built.GetAlternateLookup<ReadOnlySpan<byte>>();
    }

    /// <summary>
    /// Walks from the host itself over its ends (<c>b.example.org</c>, <c>example.org</c>, <c>org</c>) to any. Only ends with as many labels as some
    /// wildcard has are looked up: a host of thousands of dots costs no more than another.
    /// </summary>
    internal ref struct Enumerator
    {
        private readonly HostTable _table;
        private readonly ReadOnlySpan<byte> _host;
        private ReadOnlySpan<byte> _end;
        private Step _step;

        private enum Step : byte
        {
            Name,
            Wildcards,
            Done,
        }

        public Enumerator(HostTable table, ReadOnlySpan<byte> host)
        {
            _table = table;
            _host = host;
        }

        public PathNode Current { get; private set; } = null!;

        public readonly Enumerator GetEnumerator() => this;

        public bool MoveNext()
        {
            if (_step == Step.Name)
            {
                _step = Step.Wildcards;
                _end = _table._mostLabels == 0 ? default : LastLabels(_host, _table._mostLabels);
                if (!_host.IsEmpty && _host.Length <= _table._longestName && _table._names.TryGetValue(_host, out var node))
                    return Found(node);
            }

            while (_step == Step.Wildcards && !_end.IsEmpty)
            {
                var end = _end;
                var dot = end.IndexOf((byte)'.');
                _end = dot < 0 ? default : end[(dot + 1)..];
                // Something must stand before the end and its dot.
                if (_host.Length >= end.Length + 2 && _table._wildcards.TryGetValue(end, out var node))
                    return Found(node);
            }

            if (_step == Step.Done || _table._any is null)
                return false;
            _step = Step.Done;
            return Found(_table._any);
        }

        private bool Found(PathNode node)
        {
            Current = node;
            return true;
        }

        private static ReadOnlySpan<byte> LastLabels(ReadOnlySpan<byte> host, int count)
        {
            var start = host.Length;
            for (; count > 0 && start >= 0; count--)
                start = host[..start].LastIndexOf((byte)'.');
            return host[(start + 1)..];
        }
    }
}
