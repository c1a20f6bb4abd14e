using CsCheck;
using Malha.Proxy.Http1;

namespace Malha.Tests.Http1;

public sealed class HeadParserTests
{
    private const string Long = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";

    public static readonly TheoryData<string, string> GoodRequests = new()
    {
        { "GET / HTTP/1.1\r\n\r\n", "GET Get / 1.1 @18" },
        { "GET / HTTP/1.0\r\nHost: a\r\n\r\n", "GET Get / 1.0 @27|Host=a~Host" },
        { "\r\nGET / HTTP/1.1\r\n\r\n", "GET Get / 1.1 @20" },
        { "\r\n\r\nPOST /x?y=z HTTP/1.1\r\nA: b\r\n\r\n", "POST Post /x?y=z 1.1 @34|A=b~Other" },
        { "OPTIONS * HTTP/1.1\r\nhost:a\r\n\r\n", "OPTIONS Options * 1.1 @30|host=a~Host" },
        { "GET http://a/b HTTP/1.1\r\nX:\r\n\r\n", "GET Get http://a/b 1.1 @31|X=~Other" },
        { "M-SEARCH!#$%&'*+.^_`|~ * HTTP/1.1\r\n\r\n", "M-SEARCH!#$%&'*+.^_`|~ Other * 1.1 @37" },
        { "ABCDEFGHIJKLMNOPQRSTUVWXYZABCDEF / HTTP/1.1\r\n\r\n", "ABCDEFGHIJKLMNOPQRSTUVWXYZABCDEF Other / 1.1 @47" },
        { "GET / HTTP/1.1\r\nA: \t b\tc  \t\r\nB:  \r\n\r\n", "GET Get / 1.1 @37|A=b\tc~Other|B=~Other" },
        { "GET / HTTP/1.1\r\nA: caf\u00e9\u00ff\u0080\r\n\r\n", "GET Get / 1.1 @29|A=caf\u00e9\u00ff\u0080~Other" },
        { "GET / HTTP/1.1\r\nA: a:b\r\nA: c\r\n\r\n", "GET Get / 1.1 @32|A=a:b~Other|A=c~Other" },
        { "get /\"<>\\^`{|} HTTP/1.1\r\n\r\n", "get Other /\"<>\\^`{|} 1.1 @27" },
        { "GET / HTTP/1.1\r\nContent-LENGTH: 5\r\nTe: x\r\nMALHA-timeout: 5\r\nMalha-Attempt: 1\r\n\r\nbody",
            "GET Get / 1.1 @80|Content-LENGTH=5~ContentLength|Te=x~TE|MALHA-timeout=5~MalhaTimeout|Malha-Attempt=1~MalhaAttempt" },
        { "GET / HTTP/1.1\r\n\r\nGET /next HTTP/1.1\r\n\r\n", "GET Get / 1.1 @18" },
    };

    [Theory]
    [MemberData(nameof(GoodRequests))]
    public void A_good_request_waits_for_its_last_byte_and_is_the_same_however_it_comes(string text, string expected)
    {
        var bytes = Heads.Bytes(text);
        var length = int.Parse(expected.Split('@')[1].Split('|')[0], null);
        Assert.Equal(new HeadResult(ParseStatus.Complete, HttpFault.None, expected), HeadFeed.Request(bytes, [], Heads.Limits));
        for (var cut = 0; cut < length; cut++)
        {
            Assert.Equal(ParseStatus.NeedMore, HeadFeed.Request(bytes.AsSpan(0, cut), [], Heads.Limits).Status);
            Assert.Equal(expected, HeadFeed.Request(bytes, [cut], Heads.Limits).Text);
        }
        Assert.Equal(expected, HeadFeed.Request(bytes, Enumerable.Range(0, length), Heads.Limits).Text);
    }

    public static readonly TheoryData<string, string> GoodResponses = new()
    {
        { "HTTP/1.1 200 OK\r\n\r\n", "200 OK 1.1 @19" },
        { "HTTP/1.0 200 OK\r\nServer: x\r\n\r\n", "200 OK 1.0 @30|Server=x~Other" },
        { "HTTP/1.1 204 \r\n\r\n", "204  1.1 @17" },
        { "HTTP/1.1 204\r\n\r\n", "204  1.1 @16" },
        { "HTTP/1.1 599 Not\tso caf\u00e9\r\nDate: d\r\nVia:\r\n\r\nrest", "599 Not\tso caf\u00e9 1.1 @43|Date=d~Date|Via=~Via" },
        { "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n\r\n", "100 Continue 1.1 @25" },
    };

    [Theory]
    [MemberData(nameof(GoodResponses))]
    public void A_good_answer_waits_for_its_last_byte_and_is_the_same_however_it_comes(string text, string expected)
    {
        var bytes = Heads.Bytes(text);
        var length = int.Parse(expected.Split('@')[1].Split('|')[0], null);
        Assert.Equal(new HeadResult(ParseStatus.Complete, HttpFault.None, expected), HeadFeed.Response(bytes, [], Heads.Limits));
        for (var cut = 0; cut < length; cut++)
        {
            Assert.Equal(ParseStatus.NeedMore, HeadFeed.Response(bytes.AsSpan(0, cut), [], Heads.Limits).Status);
            Assert.Equal(expected, HeadFeed.Response(bytes, [cut], Heads.Limits).Text);
        }
        Assert.Equal(expected, HeadFeed.Response(bytes, Enumerable.Range(0, length), Heads.Limits).Text);
    }

    [Theory]
    // The request line.
    [InlineData("\nGET / HTTP/1.1\r\n\r\n", nameof(HttpFault.BareLineEnd))]
    [InlineData("\rGET / HTTP/1.1\r\n\r\n", nameof(HttpFault.BadRequestLine))]
    [InlineData("\r\n\r\n\r\nGET / HTTP/1.1\r\n\r\n", nameof(HttpFault.BadRequestLine))]
    [InlineData(" GET / HTTP/1.1\r\n\r\n", nameof(HttpFault.BadRequestLine))]
    [InlineData("\0GET / HTTP/1.1\r\n\r\n", nameof(HttpFault.BadRequestLine))]
    [InlineData("GE[T / HTTP/1.1\r\n\r\n", nameof(HttpFault.BadRequestLine))]
    [InlineData("GET\t/ HTTP/1.1\r\n\r\n", nameof(HttpFault.BadRequestLine))]
    [InlineData("GET\r\n\r\n", nameof(HttpFault.BadRequestLine))]
    [InlineData("ABCDEFGHIJKLMNOPQRSTUVWXYZABCDEFG / HTTP/1.1\r\n\r\n", nameof(HttpFault.BadRequestLine))]
    [InlineData(Long + Long, nameof(HttpFault.BadRequestLine))]
    [InlineData("GET  / HTTP/1.1\r\n\r\n", nameof(HttpFault.BadTarget))]
    [InlineData("GET /a\tb HTTP/1.1\r\n\r\n", nameof(HttpFault.BadTarget))]
    [InlineData("GET /a\0b HTTP/1.1\r\n\r\n", nameof(HttpFault.BadTarget))]
    [InlineData("GET /a\u007fb HTTP/1.1\r\n\r\n", nameof(HttpFault.BadTarget))]
    [InlineData("GET /caf\u00e9 HTTP/1.1\r\n\r\n", nameof(HttpFault.BadTarget))]
    [InlineData("GET /\r\n\r\n", nameof(HttpFault.BadVersion))]
    [InlineData("GET /\n", nameof(HttpFault.BadVersion))]
    [InlineData("GET / \r\n\r\n", nameof(HttpFault.BadVersion))]
    [InlineData("GET /a b HTTP/1.1\r\n\r\n", nameof(HttpFault.BadVersion))]
    [InlineData("GET / http/1.1\r\n\r\n", nameof(HttpFault.BadVersion))]
    [InlineData("GET /  HTTP/1.1\r\n\r\n", nameof(HttpFault.BadVersion))]
    [InlineData("GET / HTTP/1.1 \r\n\r\n", nameof(HttpFault.BadVersion))]
    [InlineData("GET / HTTP/1.10\r\n\r\n", nameof(HttpFault.BadVersion))]
    [InlineData("GET / HTTP/11\r\n\r\n", nameof(HttpFault.BadVersion))]
    [InlineData("GET / HTTP/1,1\r\n\r\n", nameof(HttpFault.BadVersion))]
    [InlineData("GET / HTTP/1.\r\n\r\n", nameof(HttpFault.BadVersion))]
    [InlineData("GET / HTTP/1.x\r\n\r\n", nameof(HttpFault.BadVersion))]
    [InlineData("GET / HTTPS/1.1\r\n\r\n", nameof(HttpFault.BadVersion))]
    [InlineData("GET / HTTP/2.0\r\n\r\n", nameof(HttpFault.UnsupportedVersion))]
    [InlineData("GET / HTTP/0.9\r\n\r\n", nameof(HttpFault.UnsupportedVersion))]
    [InlineData("GET / HTTP/1.2\r\n\r\n", nameof(HttpFault.UnsupportedVersion))]
    [InlineData("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", nameof(HttpFault.UnsupportedVersion))]
    [InlineData("GET / HTTP/1.1\n\n", nameof(HttpFault.BareLineEnd))]
    [InlineData("GET / HTTP/1.1\r\r\n", nameof(HttpFault.BareLineEnd))]
    [InlineData("GET / HTTP/1.1\rA: b\r\n\r\n", nameof(HttpFault.BareLineEnd))]
    // Field lines.
    [InlineData("GET / HTTP/1.1\r\n A: b\r\n\r\n", nameof(HttpFault.FoldedLine))]
    [InlineData("GET / HTTP/1.1\r\nA: b\r\n c\r\n\r\n", nameof(HttpFault.FoldedLine))]
    [InlineData("GET / HTTP/1.1\r\nA: b\r\n\tc\r\n\r\n", nameof(HttpFault.FoldedLine))]
    [InlineData("GET / HTTP/1.1\r\nA: b\r\n \r\n\r\n", nameof(HttpFault.FoldedLine))]
    [InlineData("GET / HTTP/1.1\r\nA : b\r\n\r\n", nameof(HttpFault.BadHeaderName))]
    [InlineData("GET / HTTP/1.1\r\nA\t: b\r\n\r\n", nameof(HttpFault.BadHeaderName))]
    [InlineData("GET / HTTP/1.1\r\n: b\r\n\r\n", nameof(HttpFault.BadHeaderName))]
    [InlineData("GET / HTTP/1.1\r\nBad[Name: b\r\n\r\n", nameof(HttpFault.BadHeaderName))]
    [InlineData("GET / HTTP/1.1\r\nBad\0Name: b\r\n\r\n", nameof(HttpFault.BadHeaderName))]
    [InlineData("GET / HTTP/1.1\r\nBad\u00e9: b\r\n\r\n", nameof(HttpFault.BadHeaderName))]
    [InlineData("GET / HTTP/1.1\r\nNoColon\r\n\r\n", nameof(HttpFault.BadHeaderName))]
    [InlineData("GET / HTTP/1.1\r\nA: b\r\nNoColon\n\r\n", nameof(HttpFault.BadHeaderName))]
    [InlineData("GET / HTTP/1.1\r\nA: b\0\r\n\r\n", nameof(HttpFault.BadHeaderValue))]
    [InlineData("GET / HTTP/1.1\r\nA: b\u007f\r\n\r\n", nameof(HttpFault.BadHeaderValue))]
    [InlineData("GET / HTTP/1.1\r\nA: b\u001b[0m\r\n\r\n", nameof(HttpFault.BadHeaderValue))]
    [InlineData("GET / HTTP/1.1\r\nA: b\nB: c\r\n\r\n", nameof(HttpFault.BareLineEnd))]
    [InlineData("GET / HTTP/1.1\r\nA: b\rB: c\r\n\r\n", nameof(HttpFault.BareLineEnd))]
    [InlineData("GET / HTTP/1.1\r\nA: b\r\r\n\r\n", nameof(HttpFault.BareLineEnd))]
    [InlineData("GET / HTTP/1.1\r\nA: b\r\n\n", nameof(HttpFault.BareLineEnd))]
    [InlineData("GET / HTTP/1.1\r\nA: b\r\n\rX", nameof(HttpFault.BareLineEnd))]
    public void A_bad_request_has_one_fault_however_it_comes(string text, string fault) =>
        AssertFault(text, Enum.Parse<HttpFault>(fault), (bytes, cuts) => HeadFeed.Request(bytes, cuts, Heads.Limits));

    [Theory]
    [InlineData("\r\nHTTP/1.1 200 OK\r\n\r\n", nameof(HttpFault.BadVersion))]
    [InlineData("ICY 200 OK\r\n\r\n", nameof(HttpFault.BadVersion))]
    [InlineData("HTTP/2 200\r\n\r\n", nameof(HttpFault.BadVersion))]
    [InlineData("HTTP/2.0 200 OK\r\n\r\n", nameof(HttpFault.UnsupportedVersion))]
    [InlineData("HTTP/1.1\t200 OK\r\n\r\n", nameof(HttpFault.BadStatusLine))]
    [InlineData("HTTP/1.1  200 OK\r\n\r\n", nameof(HttpFault.BadStatusLine))]
    [InlineData("HTTP/1.1 20 OK\r\n\r\n", nameof(HttpFault.BadStatusLine))]
    [InlineData("HTTP/1.1 2000 OK\r\n\r\n", nameof(HttpFault.BadStatusLine))]
    [InlineData("HTTP/1.1 099 OK\r\n\r\n", nameof(HttpFault.BadStatusLine))]
    [InlineData("HTTP/1.1 600 OK\r\n\r\n", nameof(HttpFault.BadStatusLine))]
    [InlineData("HTTP/1.1 +20 OK\r\n\r\n", nameof(HttpFault.BadStatusLine))]
    [InlineData("HTTP/1.1 200OK\r\n\r\n", nameof(HttpFault.BadStatusLine))]
    [InlineData("HTTP/1.1 200 O\0K\r\n\r\n", nameof(HttpFault.BadStatusLine))]
    [InlineData("HTTP/1.1\r\n\r\n", nameof(HttpFault.BadStatusLine))]
    [InlineData("HTTP/1.1 200\n\n", nameof(HttpFault.BareLineEnd))]
    [InlineData("HTTP/1.1 200 OK\n\n", nameof(HttpFault.BareLineEnd))]
    [InlineData("HTTP/1.1 200 OK\r\r\n", nameof(HttpFault.BareLineEnd))]
    [InlineData("HTTP/1.1 200\rX", nameof(HttpFault.BareLineEnd))]
    [InlineData("HTTP/1.1 200 OK\r\nA: b\r\n c\r\n\r\n", nameof(HttpFault.FoldedLine))]
    [InlineData("HTTP/1.1 200 OK\r\nA : b\r\n\r\n", nameof(HttpFault.BadHeaderName))]
    [InlineData("HTTP/1.1 200 OK\r\nA: b\nB: c\r\n\r\n", nameof(HttpFault.BareLineEnd))]
    public void A_bad_answer_has_one_fault_however_it_comes(string text, string fault) =>
        AssertFault(text, Enum.Parse<HttpFault>(fault), (bytes, cuts) => HeadFeed.Response(bytes, cuts, Heads.Limits));

    [Theory]
    [InlineData("GET /" + Long + Long + " HTTP/1.1\r\nA: b\r\n\r\n", nameof(HttpFault.TargetTooLong))]
    [InlineData("GET /" + Long + " HTTP/1.1\r\nA: " + Long + "\r\n\r\n", nameof(HttpFault.HeadTooLarge))]
    [InlineData("GET / HTTP/1.1\r\nA: " + Long + "\r\nB: " + Long + "\r\n\r\n", nameof(HttpFault.HeadTooLarge))]
    [InlineData("GET / HTTP/1.1\r\n" + Long + Long + Long, nameof(HttpFault.HeadTooLarge))]
    [InlineData("GET / HTTP/1.1\r\nA: " + Long + "\r\nB: " + Long + "\r\nBad Name: x\r\n\r\n", nameof(HttpFault.HeadTooLarge))]
    [InlineData("GET / HTTP/1.1\r\nA: \r\nB: \r\nC: \r\nD: \r\nE: \r\n\r\n", nameof(HttpFault.TooManyHeaders))]
    public void A_head_beyond_its_limits_is_refused_alike_however_it_comes(string text, string fault) =>
        AssertFault(text, Enum.Parse<HttpFault>(fault), (bytes, cuts) => HeadFeed.Request(bytes, cuts, new HeadLimits(MaxSize: 100, MaxFields: 4)));

    [Fact]
    public void A_head_may_be_exactly_as_large_as_its_limits()
    {
        const string text = "GET / HTTP/1.1\r\nA: b\r\nC: d\r\n\r\n";
        var bytes = Heads.Bytes(text + "GET /next");
        foreach (var cuts in (int[][])[[], [text.Length - 1], [.. Enumerable.Range(0, text.Length)]])
        {
            Assert.Equal(ParseStatus.Complete, HeadFeed.Request(bytes, cuts, new HeadLimits(text.Length, 2)).Status);
            Assert.Equal(HttpFault.HeadTooLarge, HeadFeed.Request(bytes, cuts, new HeadLimits(text.Length - 1, 2)).Fault);
            Assert.Equal(HttpFault.TooManyHeaders, HeadFeed.Request(bytes, cuts, new HeadLimits(text.Length, 1)).Fault);
        }
        var answer = Heads.Bytes("HTTP/1.1 200 OK\r\nA: b\r\n\r\n");
        Assert.Equal(ParseStatus.Complete, HeadFeed.Response(answer, [], new HeadLimits(answer.Length, 1)).Status);
        Assert.Equal(HttpFault.HeadTooLarge, HeadFeed.Response(answer, [], new HeadLimits(answer.Length - 1, 1)).Fault);
        Assert.Equal(HttpFault.HeadTooLarge, HeadFeed.Response(answer, [12], new HeadLimits(10, 1)).Fault);
    }

    [Fact]
    public void Mutated_heads_mean_the_same_however_they_come()
    {
        string[] requests = [.. GoodRequests.Select(row => row.Data.Item1)];
        string[] answers = [.. GoodResponses.Select(row => row.Data.Item1)];
        Gen.Select(
            Gen.OneOf([.. requests.Concat(answers)]),
            Gen.Select(Gen.Int[0, 200], Gen.OneOf("\r", "\n", "\0", " ", "\t", ":", "a", "1", "", "\r\n", "\u00e9"), Gen.Bool).Array[1, 3],
            Gen.Int[0, 120].Array[0, 5],
            Gen.Int[10, 100])
        .Sample(
            (text, mutations, cuts, size) =>
            {
                foreach (var (place, piece, replaces) in mutations)
                {
                    var at = place % (text.Length + 1);
                    text = text[..at] + piece + text[Math.Min(text.Length, replaces ? at + 1 : at)..];
                }
                var bytes = Heads.Bytes(text);
                var sorted = cuts.Where(cut => cut <= bytes.Length).Order().ToArray();
                var limits = new HeadLimits(size, 2);
                Assert.Equal(HeadFeed.Request(bytes, [], limits), HeadFeed.Request(bytes, sorted, limits));
                Assert.Equal(HeadFeed.Response(bytes, [], limits), HeadFeed.Response(bytes, sorted, limits));
                Assert.Equal(HeadFeed.Request(bytes, [], Heads.Limits), HeadFeed.Request(bytes, sorted, Heads.Limits));
                Assert.Equal(HeadFeed.Response(bytes, [], Heads.Limits), HeadFeed.Response(bytes, sorted, Heads.Limits));
            },
            iter: 20_000,
            seed: "0N0XIzNsQ0O2");
    }

    [Fact]
    public void A_head_that_is_reused_keeps_nothing()
    {
        var head = new RequestHead();
        head.Reset();
        foreach (var text in (string[])["\r\nPOST /a HTTP/1.0\r\nContent-Length: 5\r\nVia: x\r\n\r\n", "GET /b HTTP/1.1\r\nA: b\r\n\r\n"])
        {
            head.Reset();
            var bytes = Heads.Bytes(text);
            head.Attach(bytes, 0);
            Assert.Equal(ParseStatus.Complete, HeadParser.ParseRequest(bytes, head, Heads.Limits));
        }
        Assert.Equal(1, head.Count);
        Assert.False(head.Has(KnownHeader.ContentLength));
        Assert.False(head.Has(KnownHeader.Via));
        Assert.Equal(1, head.MinorVersion);
        Assert.Equal("/b", Heads.Text(head.Bytes(head.Target)));
    }

    [Fact]
    public void Slices_hold_when_the_buffer_moves()
    {
        var head = Heads.Get("/a?b", "h");
        var text = Heads.Bytes("xyzGET /a?b HTTP/1.1\r\nHost: h\r\n\r\n");
        head.Attach(text, 3);
        Assert.Equal("/a", Heads.Text(head.Bytes(head.Path)));
        Assert.Equal("?b", Heads.Text(head.Bytes(head.Query)));
        Assert.Equal("h", Heads.Text(head.Value(KnownHeader.Host)));
        Assert.True(head.Value(KnownHeader.Via).IsEmpty);
    }

    [Fact]
    public void Every_known_header_is_found_by_its_name_in_any_case_and_by_no_other()
    {
        var names = Enum.GetValues<KnownHeader>().Where(header => header is not (KnownHeader.Other or KnownHeader.Count)).ToDictionary(NameOf);
        foreach (var (name, header) in names)
        {
            Assert.Equal(header, KnownHeaders.Find(Heads.Bytes(name)));
            Assert.Equal(header, KnownHeaders.Find(Heads.Bytes(name.ToUpperInvariant())));
            Assert.Equal(KnownHeader.Other, KnownHeaders.Find(Heads.Bytes(name + "s")));
            for (var place = 0; place < name.Length; place++)
                Assert.Equal(KnownHeader.Other, KnownHeaders.Find(Heads.Bytes(name[..place] + (name[place] == 'z' ? 'q' : 'z') + name[(place + 1)..])));
        }
        Assert.Equal(KnownHeader.Other, KnownHeaders.Find([]));

        // "XForwardedFor" is x-forwarded-for; the two that are no words of their own are spelt out.
        static string NameOf(KnownHeader header) => header switch
        {
            KnownHeader.TE => "te",
            KnownHeader.TraceParent => "traceparent",
            KnownHeader.TraceState => "tracestate",
            _ => string.Concat(header.ToString().Select((c, place) => char.IsAsciiLetterUpper(c) && place > 0 ? $"-{char.ToLowerInvariant(c)}" : $"{char.ToLowerInvariant(c)}")),
        };
    }

    private static void AssertFault(string text, HttpFault fault, Func<byte[], IEnumerable<int>, HeadResult> feed)
    {
        var bytes = Heads.Bytes(text);
        var expected = new HeadResult(ParseStatus.Fault, fault, "");
        Assert.Equal(expected, feed(bytes, []));
        for (var cut = 0; cut < bytes.Length; cut++)
        {
            Assert.Equal(expected, feed(bytes, [cut]));
            var prefix = feed(bytes[..cut], []);
            Assert.True(prefix.Status == ParseStatus.NeedMore || prefix == expected, $"{cut}: {prefix}");
        }
        Assert.Equal(expected, feed(bytes, Enumerable.Range(0, bytes.Length)));
    }
}
