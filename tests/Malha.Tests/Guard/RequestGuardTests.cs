using Malha.Proxy.Http1;
using Malha.Tests.Http1;

namespace Malha.Tests.Guard;

public sealed class RequestGuardTests
{
    [Theory]
    [InlineData("a plain number", "Content-Length: 5", 5)]
    [InlineData("zero", "Content-Length: 0", 0)]
    [InlineData("leading zeros", "Content-Length: 0000000000000000000000005", 5)]
    [InlineData("white space around it", "Content-Length: \t5 ", 5)]
    [InlineData("the largest", "Content-Length: 9223372036854775807", long.MaxValue)]
    public void A_length_that_is_one_number_is_taken(string because, string field, long length)
    {
        var head = Guard(because, field);
        Assert.Equal(length, head.ContentLength);
        Assert.False(head.Chunked);
        Assert.Equal(length > 0, head.HasBody);
    }

    [Theory]
    // Lengths.
    [InlineData("a sign", nameof(HttpFault.BadContentLength), "Content-Length: +5")]
    [InlineData("a minus", nameof(HttpFault.BadContentLength), "Content-Length: -0")]
    [InlineData("no digits", nameof(HttpFault.BadContentLength), "Content-Length:")]
    [InlineData("a list", nameof(HttpFault.BadContentLength), "Content-Length: 5, 5")]
    [InlineData("a space inside", nameof(HttpFault.BadContentLength), "Content-Length: 1 2")]
    [InlineData("hexadecimal", nameof(HttpFault.BadContentLength), "Content-Length: 0x5")]
    [InlineData("an exponent", nameof(HttpFault.BadContentLength), "Content-Length: 1e1")]
    [InlineData("a fraction", nameof(HttpFault.BadContentLength), "Content-Length: 5.0")]
    [InlineData("a thousands separator", nameof(HttpFault.BadContentLength), "Content-Length: 1,000")]
    [InlineData("another script's digit", nameof(HttpFault.BadContentLength), "Content-Length: \u00b2")]
    [InlineData("2^63", nameof(HttpFault.BadContentLength), "Content-Length: 9223372036854775808")]
    [InlineData("2^64 + 5", nameof(HttpFault.BadContentLength), "Content-Length: 18446744073709551621")]
    [InlineData("two that differ", nameof(HttpFault.SecondContentLength), "Content-Length: 5", "Content-Length: 6")]
    [InlineData("two that agree", nameof(HttpFault.SecondContentLength), "Content-Length: 5", "content-length: 5")]
    // Encodings.
    [InlineData("length, then encoding", nameof(HttpFault.LengthAndEncoding), "Content-Length: 5", "Transfer-Encoding: chunked")]
    [InlineData("encoding, then length", nameof(HttpFault.LengthAndEncoding), "Transfer-Encoding: chunked", "Content-Length: 5")]
    [InlineData("encoding and a length of zero", nameof(HttpFault.LengthAndEncoding), "Transfer-Encoding: chunked", "Content-Length: 0")]
    [InlineData("another encoding", nameof(HttpFault.BadTransferEncoding), "Transfer-Encoding: gzip")]
    [InlineData("none", nameof(HttpFault.BadTransferEncoding), "Transfer-Encoding:")]
    [InlineData("identity", nameof(HttpFault.BadTransferEncoding), "Transfer-Encoding: identity")]
    [InlineData("stacked", nameof(HttpFault.BadTransferEncoding), "Transfer-Encoding: gzip, chunked")]
    [InlineData("stacked the other way", nameof(HttpFault.BadTransferEncoding), "Transfer-Encoding: chunked, identity")]
    [InlineData("twice in one line", nameof(HttpFault.BadTransferEncoding), "Transfer-Encoding: chunked, chunked")]
    [InlineData("twice in two lines", nameof(HttpFault.BadTransferEncoding), "Transfer-Encoding: chunked", "Transfer-Encoding: chunked")]
    [InlineData("another in a line before", nameof(HttpFault.BadTransferEncoding), "Transfer-Encoding: identity", "Transfer-Encoding: chunked")]
    [InlineData("misspelt", nameof(HttpFault.BadTransferEncoding), "Transfer-Encoding: xchunked")]
    [InlineData("with a parameter", nameof(HttpFault.BadTransferEncoding), "Transfer-Encoding: chunked;q=1")]
    [InlineData("with a comma", nameof(HttpFault.BadTransferEncoding), "Transfer-Encoding: chunked,")]
    [InlineData("quoted", nameof(HttpFault.BadTransferEncoding), "Transfer-Encoding: \"chunked\"")]
    [InlineData("padded with another blank", nameof(HttpFault.BadTransferEncoding), "Transfer-Encoding: \u00a0chunked")]
    // Expectations and options.
    [InlineData("an unknown expectation", nameof(HttpFault.UnknownExpectation), "Expect: 200-ok")]
    [InlineData("two expectations in one", nameof(HttpFault.UnknownExpectation), "Expect: 100-continue, x")]
    [InlineData("a connection option that is no token", nameof(HttpFault.BadConnectionOption), "Connection: a b")]
    [InlineData("a connection option that hides the length", nameof(HttpFault.BadConnectionOption), "Connection: content-length")]
    // Hosts.
    [InlineData("a second host", nameof(HttpFault.SecondHost), "Host: h")]
    public void What_can_be_read_in_two_ways_is_refused(string because, string fault, params string[] fields)
    {
        Assert.NotEmpty(because);
        Assert.Equal(Enum.Parse<HttpFault>(fault), Fault("POST / HTTP/1.1", ["Host: h", .. fields]));
        Assert.Equal(Enum.Parse<HttpFault>(fault), Fault("POST / HTTP/1.1", [.. fields, "Host: h"]));
    }

    [Theory]
    [InlineData("Transfer-Encoding: chunked")]
    [InlineData("transfer-encoding: CHUNKED ")]
    public void A_single_chunked_is_taken(string field)
    {
        var head = Guard("chunked", field);
        Assert.True(head.Chunked);
        Assert.Equal(-1, head.ContentLength);
        Assert.True(head.HasBody);
    }

    [Fact]
    public void An_encoding_in_HTTP_1_0_is_refused() =>
        Assert.Equal(HttpFault.EncodingInHttp10, Fault("POST / HTTP/1.0", ["Host: h", "Transfer-Encoding: chunked"]));

    [Fact]
    public void A_request_without_length_or_encoding_has_no_body()
    {
        var head = Guard("none");
        Assert.Equal(-1, head.ContentLength);
        Assert.False(head.HasBody);
    }

    [Theory]
    [InlineData("1.1", true)]
    [InlineData("1.0", false)]
    [InlineData("1.1", false, "Connection: close")]
    [InlineData("1.1", false, "Connection: keep-alive, Close")]
    [InlineData("1.1", false, "Connection: keep-alive", "Connection: close")]
    [InlineData("1.0", true, "Connection: Keep-Alive")]
    [InlineData("1.0", false, "Connection: keep-alive, close")]
    [InlineData("1.1", true, "Connection: , ,")]
    public void The_connection_is_kept_as_version_and_options_say(string version, bool kept, params string[] fields) =>
        Assert.Equal(kept, Guarded($"GET / HTTP/{version}", ["Host: h", .. fields]).KeepAlive);

    [Theory]
    [InlineData("POST / HTTP/1.1", true, "Expect: 100-continue", "Content-Length: 5")]
    [InlineData("POST / HTTP/1.1", true, "Expect: 100-Continue", "Transfer-Encoding: chunked")]
    [InlineData("POST / HTTP/1.1", false, "Expect: 100-continue", "Content-Length: 0")]
    [InlineData("POST / HTTP/1.1", false, "Expect: 100-continue")]
    [InlineData("POST / HTTP/1.0", false, "Expect: 100-continue", "Content-Length: 5")]
    [InlineData("POST / HTTP/1.1", false, "Content-Length: 5")]
    public void An_expectation_counts_where_there_is_something_to_wait_for(string line, bool expects, params string[] fields) =>
        Assert.Equal(expects, Guarded(line, ["Host: h", .. fields]).ExpectsContinue);

    [Theory]
    [InlineData("a WebSocket", "GET / HTTP/1.1", true, "Connection: Upgrade", "Upgrade: websocket")]
    [InlineData("among other options", "GET / HTTP/1.1", true, "Connection: keep-alive, upgrade", "Upgrade: websocket")]
    [InlineData("without the option", "GET / HTTP/1.1", false, "Upgrade: websocket")]
    [InlineData("without the field", "GET / HTTP/1.1", false, "Connection: Upgrade")]
    [InlineData("an empty field", "GET / HTTP/1.1", false, "Connection: Upgrade", "Upgrade:")]
    [InlineData("HTTP/2 in clear", "GET / HTTP/1.1", false, "Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABkAAQAAP__")]
    [InlineData("HTTP/2 behind another", "GET / HTTP/1.1", false, "Connection: Upgrade", "Upgrade: websocket, H2C")]
    [InlineData("HTTP/2 in a second line", "GET / HTTP/1.1", false, "Connection: Upgrade", "Upgrade: websocket", "Upgrade: h2c")]
    [InlineData("another HTTP by its name", "GET / HTTP/1.1", false, "Connection: Upgrade", "Upgrade: HTTP/2.0")]
    [InlineData("with a body", "POST / HTTP/1.1", false, "Connection: Upgrade", "Upgrade: websocket", "Content-Length: 5")]
    [InlineData("with a chunked body", "POST / HTTP/1.1", false, "Connection: Upgrade", "Upgrade: websocket", "Transfer-Encoding: chunked")]
    [InlineData("in HTTP/1.0", "GET / HTTP/1.0", false, "Connection: Upgrade", "Upgrade: websocket")]
    public void An_upgrade_passes_when_nothing_after_it_would_pass_by_the_rules(string because, string line, bool passes, params string[] fields)
    {
        Assert.NotEmpty(because);
        Assert.Equal(passes, Guarded(line, ["Host: h", .. fields]).WantsUpgrade);
    }

    [Fact]
    public void Every_fault_has_a_status_and_words_of_its_own()
    {
        var faults = Enum.GetValues<HttpFault>().Where(fault => fault != HttpFault.None).ToArray();
        Assert.All(faults, fault => Assert.InRange(fault.Status(), 400, 505));
        Assert.Equal(faults.Length, faults.Select(fault => fault.Describe()).Distinct().Count());
    }

    private static RequestHead Guard(string because, params string[] fields)
    {
        Assert.NotEmpty(because);
        return Guarded("POST / HTTP/1.1", ["Host: h", .. fields]);
    }

    private static RequestHead Guarded(string line, string[] fields)
    {
        var head = Heads.Guarded($"{line}\r\n{string.Concat(fields.Select(field => field + "\r\n"))}\r\n", out var fault);
        Assert.Equal(HttpFault.None, fault);
        return head;
    }

    private static HttpFault Fault(string line, string[] fields)
    {
        Heads.Guarded($"{line}\r\n{string.Concat(fields.Select(field => field + "\r\n"))}\r\n", out var fault);
        return fault;
    }
}
