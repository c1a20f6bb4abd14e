using System.Text;
using Malha.Configuration;

namespace Malha.Proxy.Routing;

/// <summary>An answer that a route gives itself, in the bytes that go on the wire. The length is written by whoever frames the answer.</summary>
internal sealed class FixedAnswerModel
{
    private readonly byte[] _body;
    private readonly byte[] _lines;

    public FixedAnswerModel(FixedAnswerConfig config)
    {
        Status = config.Status;
        _body = Encoding.UTF8.GetBytes(config.Body);
        var lines = config.Headers.Select(header => new HeaderLine(header));
        if (_body.Length > 0)
            lines = lines.Prepend(new HeaderLine(new HeaderConfig { Name = "content-type", Value = config.ContentType }));
        _lines = HeaderLine.Join(lines);
    }

    public int Status { get; }

    public ReadOnlyMemory<byte> Body => _body;

    /// <summary>All header fields but the framing, each with its line's end: the body's type, if there is one, and what the route adds.</summary>
    public ReadOnlySpan<byte> Lines => _lines;
}
