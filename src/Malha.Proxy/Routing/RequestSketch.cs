using System.Text;
using Malha.Proxy.Guard;
using Malha.Proxy.Http1;

namespace Malha.Proxy.Routing;

/// <summary>A request that nobody has sent: what a method and a URL would look like on the wire, judged by the same parser and guard.</summary>
/// <param name="Head">The parsed head; its properties hold only when there is no fault.</param>
/// <param name="Fault">Why the guard would refuse it.</param>
internal sealed record RequestSketch(RequestHead Head, HttpFault Fault)
{
    private static readonly HeadLimits Limits = new(64 * 1024, 256);

    /// <param name="method">As it would stand in the request line.</param>
    /// <param name="host">The Host header; empty for none.</param>
    /// <param name="target">Path and query.</param>
    /// <param name="fields">Further header lines, <c>Name: value</c>.</param>
    public static RequestSketch Make(string method, string host, string target, IEnumerable<string> fields)
    {
        var text = new StringBuilder($"{method} {target} HTTP/1.1\r\n");
        if (host.Length > 0)
            text.Append("Host: ").Append(host).Append("\r\n");
        foreach (var field in fields)
            text.Append(field).Append("\r\n");
        var bytes = Encoding.UTF8.GetBytes(text.Append("\r\n").ToString());

        var head = new RequestHead();
        var status = HeadParser.ParseRequest(bytes, head, Limits);
        head.Attach(bytes, 0);
        // Text that breaks off is text with a line end in it.
        var fault = status == ParseStatus.Complete ? RequestGuard.Inspect(head) : status == ParseStatus.Fault ? head.Fault : HttpFault.BadRequestLine;
        return new RequestSketch(head, fault);
    }
}
