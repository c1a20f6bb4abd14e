using System.Text;
using Malha.Proxy.Http1;

namespace Malha.Tests.Http1;

/// <summary>What a parser made of some bytes, comparable: the whole result as text, or the fault.</summary>
internal sealed record HeadResult(ParseStatus Status, HttpFault Fault, string Text);

/// <summary>Feeds bytes to a parser as a connection does: more and more of them, in a buffer that moves.</summary>
internal static class HeadFeed
{
    public static HeadResult Request(ReadOnlySpan<byte> bytes, IEnumerable<int> cuts, HeadLimits limits)
    {
        var head = new RequestHead();
        head.Reset();
        var status = Feed(bytes, cuts, head, data => HeadParser.ParseRequest(data, head, limits));
        return Result(status, head, () => $"{Text(head, head.Method)} {head.Kind} {Text(head, head.Target)}");
    }

    public static HeadResult Response(ReadOnlySpan<byte> bytes, IEnumerable<int> cuts, HeadLimits limits)
    {
        var head = new ResponseHead();
        head.Reset();
        var status = Feed(bytes, cuts, head, data => HeadParser.ParseResponse(data, head, limits));
        return Result(status, head, () => $"{head.Status} {Text(head, head.Reason)}");
    }

    private static ParseStatus Feed(ReadOnlySpan<byte> bytes, IEnumerable<int> cuts, MessageHead head, Func<byte[], ParseStatus> parse)
    {
        foreach (var cut in cuts)
        {
            // A new array each time: nothing may be kept of the old one.
            var data = bytes[..cut].ToArray();
            head.Attach(data, 0);
            var status = parse(data);
            if (status != ParseStatus.NeedMore)
                return status;
        }
        var all = bytes.ToArray();
        head.Attach(all, 0);
        return parse(all);
    }

    private static HeadResult Result(ParseStatus status, MessageHead head, Func<string> startLine)
    {
        if (status != ParseStatus.Complete)
            return new HeadResult(status, status == ParseStatus.Fault ? head.Fault : HttpFault.None, "");

        var text = new StringBuilder(startLine()).Append(" 1.").Append(head.MinorVersion).Append(" @").Append(head.Position);
        foreach (var field in head.Fields)
            text.Append('|').Append(Text(head, field.Name)).Append('=').Append(Text(head, field.Value)).Append('~').Append(field.Known);
        return new HeadResult(status, HttpFault.None, text.ToString());
    }

    private static string Text(MessageHead head, Slice slice) => Heads.Text(head.Bytes(slice));
}
