using System.Text;
using Malha.Proxy.Guard;
using Malha.Proxy.Http1;

namespace Malha.Tests.Http1;

/// <summary>Heads from text, one byte for each character.</summary>
internal static class Heads
{
    public static readonly HeadLimits Limits = new(MaxSize: 32 * 1024, MaxFields: 100);

    /// <summary>A request that parser and guard have passed; anything else fails the test.</summary>
    public static RequestHead Request(string method, string target, params string[] fields)
    {
        var head = Guarded($"{method} {target} HTTP/1.1\r\n{string.Concat(fields.Select(field => field + "\r\n"))}\r\n", out var fault);
        Assert.Equal(HttpFault.None, fault);
        return head;
    }

    /// <summary>A request with a host.</summary>
    public static RequestHead Get(string target, string host = "shop.example", params string[] fields) => Request("GET", target, [$"Host: {host}", .. fields]);

    /// <summary>A parsed request, and what the guard says of it.</summary>
    public static RequestHead Guarded(string text, out HttpFault fault)
    {
        var head = new RequestHead();
        head.Reset();
        var bytes = Bytes(text);
        head.Attach(bytes, 0);
        Assert.Equal(ParseStatus.Complete, HeadParser.ParseRequest(bytes, head, Limits));
        fault = RequestGuard.Inspect(head);
        return head;
    }

    /// <summary>A parsed answer, and what the guard says of it.</summary>
    public static ResponseHead GuardedAnswer(string text, out HttpFault fault)
    {
        var head = new ResponseHead();
        head.Reset();
        var bytes = Bytes(text);
        head.Attach(bytes, 0);
        Assert.Equal(ParseStatus.Complete, HeadParser.ParseResponse(bytes, head, Limits));
        fault = ResponseGuard.Inspect(head);
        return head;
    }

    public static byte[] Bytes(string text) => Encoding.Latin1.GetBytes(text);

    public static string Text(ReadOnlySpan<byte> bytes) => Encoding.Latin1.GetString(bytes);
}
