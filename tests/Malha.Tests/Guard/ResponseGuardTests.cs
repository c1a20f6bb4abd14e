using Malha.Proxy.Http1;
using Malha.Tests.Http1;

namespace Malha.Tests.Guard;

public sealed class ResponseGuardTests
{
    [Theory]
    [InlineData("a sign", nameof(HttpFault.BadContentLength), "Content-Length: +5")]
    [InlineData("a list that agrees", nameof(HttpFault.BadContentLength), "Content-Length: 5, 5")]
    [InlineData("none", nameof(HttpFault.BadContentLength), "Content-Length:")]
    [InlineData("2^63", nameof(HttpFault.BadContentLength), "Content-Length: 9223372036854775808")]
    [InlineData("two lengths", nameof(HttpFault.SecondContentLength), "Content-Length: 5", "Content-Length: 5")]
    [InlineData("length and encoding", nameof(HttpFault.LengthAndEncoding), "Content-Length: 5", "Transfer-Encoding: chunked")]
    [InlineData("stacked encodings", nameof(HttpFault.BadTransferEncoding), "Transfer-Encoding: gzip, chunked")]
    [InlineData("two encodings", nameof(HttpFault.BadTransferEncoding), "Transfer-Encoding: chunked", "Transfer-Encoding: chunked")]
    [InlineData("an unknown encoding", nameof(HttpFault.BadTransferEncoding), "Transfer-Encoding: xchunked")]
    [InlineData("an option that is no token", nameof(HttpFault.BadConnectionOption), "Connection: a b")]
    [InlineData("a length that is talked away", nameof(HttpFault.BadConnectionOption), "Content-Length: 5", "Connection: content-length")]
    public void An_answer_that_can_end_in_two_places_is_refused(string because, string fault, params string[] fields)
    {
        Assert.NotEmpty(because);
        Answer("HTTP/1.1 200 OK", fields, out var found);
        Assert.Equal(Enum.Parse<HttpFault>(fault), found);
    }

    [Fact]
    public void An_encoding_in_HTTP_1_0_is_refused()
    {
        Answer("HTTP/1.0 200 OK", ["Transfer-Encoding: chunked"], out var fault);
        Assert.Equal(HttpFault.EncodingInHttp10, fault);
    }

    [Theory]
    [InlineData("HTTP/1.1 200 OK", 5, false, true, "Content-Length: 5")]
    [InlineData("HTTP/1.1 200 OK", -1, true, true, "transfer-encoding: Chunked")]
    [InlineData("HTTP/1.1 200 OK", -1, false, true)]
    [InlineData("HTTP/1.1 200 OK", -1, false, false, "Connection: close")]
    [InlineData("HTTP/1.1 200 OK", 0, false, false, "Content-Length: 0", "Connection: keep-alive, close")]
    [InlineData("HTTP/1.0 200 OK", 5, false, false, "Content-Length: 5")]
    [InlineData("HTTP/1.0 200 OK", 5, false, true, "Content-Length: 5", "Connection: keep-alive")]
    [InlineData("HTTP/1.1 304 Not Modified", 500, false, true, "Content-Length: 500")]
    public void A_good_answer_says_how_it_ends_and_whether_the_connection_lasts(string line, long length, bool chunked, bool kept, params string[] fields)
    {
        var head = Answer(line, fields, out var fault);
        Assert.Equal(HttpFault.None, fault);
        Assert.Equal((length, chunked, kept), (head.ContentLength, head.Chunked, head.KeepAlive));
    }

    [Theory]
    [InlineData(100, true)]
    [InlineData(101, false)]
    [InlineData(103, true)]
    [InlineData(199, true)]
    [InlineData(200, false)]
    public void Informational_answers_are_followed_by_another(int status, bool informational) =>
        Assert.Equal(informational, Answer($"HTTP/1.1 {status} X", [], out _).IsInformational);

    private static ResponseHead Answer(string line, string[] fields, out HttpFault fault) =>
        Heads.GuardedAnswer($"{line}\r\n{string.Concat(fields.Select(field => field + "\r\n"))}\r\n", out fault);
}
