using System.Text;
using Malha.Configuration;
using Malha.Proxy.Guard;
using Malha.Proxy.Http1;

namespace Malha.Proxy.Routing;

/// <summary>
/// Writes the path that a service gets instead of the request's, from the bytes as they came: what was escaped stays escaped. The guard judges the result
/// as it has judged the request: text around a parameter can make a dot segment of it that was none before.
/// </summary>
internal sealed class RewriteModel
{
    private readonly Part[] _parts;
    private readonly int _segments;
    private readonly byte[] _host = [];
    private readonly bool _isEndpointHost;

    public RewriteModel(RewriteConfig config, PathPattern pattern)
    {
        _parts = [.. (config.Target?.Parts ?? []).Select(part => new Part(part.Kind, Encoding.UTF8.GetBytes(part.Kind == RewritePartKind.Literal ? part.Text : ""), Place(part, pattern)))];
        _segments = pattern.Segments.Count;
        ChangesHost = config.Host is not null;
        _isEndpointHost = config.Host == RewriteConfig.EndpointHost;
        if (ChangesHost && !_isEndpointHost)
            _host = Encoding.ASCII.GetBytes(config.Host!);
    }

    public bool ChangesPath => _parts.Length > 0;

    public bool ChangesHost { get; }

    /// <summary>The host that the service is asked for.</summary>
    /// <param name="endpointAuthority">Host and port of the endpoint that is asked.</param>
    public ReadOnlySpan<byte> Host(ReadOnlySpan<byte> endpointAuthority) => _isEndpointHost ? endpointAuthority : _host;

    /// <summary>More than a path that <see cref="WritePath"/> makes can take.</summary>
    public int MaxLength(RequestHead head)
    {
        var length = 1;
        foreach (var part in _parts)
            length += part.Literal.Length + (part.Kind == RewritePartKind.Literal ? 0 : RoutePath.Raw(head).Length);
        return length;
    }

    /// <summary>Writes the new path. A fault when it would be none that the guard lets through.</summary>
    /// <param name="head">A request that the route takes.</param>
    /// <param name="destination">At least <see cref="MaxLength"/> bytes.</param>
    /// <param name="length">How long it is.</param>
    public HttpFault WritePath(RequestHead head, Span<byte> destination, out int length)
    {
        var path = RoutePath.Raw(head);
        length = 0;
        foreach (var part in _parts)
        {
            var bytes = part.Kind switch
            {
                RewritePartKind.Literal => part.Literal,
                RewritePartKind.Path => path,
                RewritePartKind.Rest => Rest(path),
                _ => Segment(path, part.Segment),
            };
            bytes.CopyTo(destination[length..]);
            length += bytes.Length;
        }
        if (length == 0)
            destination[length++] = (byte)'/';

        var written = destination[..length];
        // What the client has hidden behind a prefix that goes away: whoever takes the path for a reference reads a host in it.
        if (written.StartsWith("//"u8) && !path.StartsWith("//"u8))
            return HttpFault.BadTarget;
        return TargetGuard.InspectPath(written);
    }

    /// <summary>The target and the host that a service would be asked for, in words; or why the request would be refused.</summary>
    /// <param name="head">A request that the route takes.</param>
    /// <param name="target">Path and query; null when they stay.</param>
    /// <param name="host">Null when it stays.</param>
    public HttpFault Describe(RequestHead head, out string? target, out string? host)
    {
        target = null;
        host = !ChangesHost ? null : _isEndpointHost ? "that of the endpoint" : Encoding.ASCII.GetString(_host);
        if (!ChangesPath || head.IsAsterisk)
            return HttpFault.None;
        var path = new byte[MaxLength(head)];
        var fault = WritePath(head, path, out var length);
        if (fault == HttpFault.None)
            target = Encoding.Latin1.GetString(path, 0, length) + Encoding.Latin1.GetString(head.Bytes(head.Query));
        return fault;
    }

    private ReadOnlySpan<byte> Rest(ReadOnlySpan<byte> path)
    {
        for (var segment = 0; segment < _segments && !path.IsEmpty; segment++)
            PathModel.NextSegment(ref path);
        return path;
    }

    private static ReadOnlySpan<byte> Segment(ReadOnlySpan<byte> path, int index)
    {
        for (var segment = 0; segment < index && !path.IsEmpty; segment++)
            PathModel.NextSegment(ref path);
        return path.IsEmpty ? default : PathModel.NextSegment(ref path);
    }

    private static int Place(RewritePart part, PathPattern pattern)
    {
        for (var index = 0; index < pattern.Segments.Count; index++)
        {
            if (part.Kind == RewritePartKind.Parameter && pattern.Segments[index] is { Kind: PathSegmentKind.Parameter } segment && segment.Text == part.Text)
                return index;
        }
        return 0;
    }

    private readonly record struct Part(RewritePartKind Kind, byte[] Literal, int Segment);
}
