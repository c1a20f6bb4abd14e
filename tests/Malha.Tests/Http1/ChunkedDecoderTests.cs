using System.Globalization;
using System.Text;
using CsCheck;
using Malha.Proxy.Http1;

namespace Malha.Tests.Http1;

public sealed class ChunkedDecoderTests
{
    private const string Seed = "0N0XIzNsQ0O2";

    // Octets of all kinds, those that mean something in the framing more often.
    private static readonly Gen<string> Data =
        Gen.Frequency((3, Gen.Char['\0', '\u00ff']), (1, Gen.OneOf('\r', '\n', '0', ';', '"'))).Array[1, 40].Select(chars => new string(chars));

    private static readonly Gen<string> Extension = Gen.OneOf(
        "", "", "", ";a", ";a=b", " ; a = b", "\t;\ta\t=\tb;c", ";a=\"\"", ";a=\"x;y\\\"z\t\u00ff\";b=1", ";a;b;c=d");

    private static readonly Gen<string> Chunk =
        Gen.Select(Data, Extension, Gen.Int[0, 3], Gen.Bool, (data, extension, zeros, capital) =>
        {
            var size = data.Length.ToString(capital ? "X" : "x", CultureInfo.InvariantCulture);
            return $"{new string('0', zeros)}{size}{extension}\r\n{data}\r\n";
        });

    private static readonly Gen<string> Coded =
        Gen.Select(Chunk.Array[0, 6], Gen.OneOf("0", "000"), Extension, Gen.OneOf("", "", "A: b\r\n", "X-Checksum:  1 \r\nB:\r\n"),
            (chunks, last, extension, trailers) => $"{string.Concat(chunks)}{last}{extension}\r\n{trailers}\r\n");

    private static readonly Gen<int[]> Cuts = Gen.Int[0, 300].Array[0, 12];

    [Fact]
    public void A_body_comes_out_as_it_went_in_however_it_is_chunked_and_cut() =>
        Gen.Select(Coded, Cuts, Gen.OneOf("", "GET / HTTP/1.1\r\n")).Sample(
            (coded, cuts, next) =>
            {
                var expected = ChunkedReference.Decode(coded + next);
                Assert.Equal(ChunkStatus.Complete, expected.Status);
                Assert.Equal(coded.Length, expected.Consumed);
                Assert.Equal(expected, Decode(coded + next, []));
                Assert.Equal(expected, Decode(coded + next, cuts));
                Assert.Equal(expected, Decode(coded + next, [.. Enumerable.Range(0, coded.Length)]));
            },
            iter: 5_000,
            seed: Seed);

    [Fact]
    public void A_body_with_one_byte_changed_means_what_the_grammar_says_or_is_a_fault() =>
        Gen.Select(Coded, Gen.Int[0, 300], Gen.OneOf([.. Enumerable.Range(0, 256).Select(value => (char)value), '\r', '\n', ';', '0', ' ']), Gen.Int[0, 2], Cuts).Sample(
            (coded, place, value, change, cuts) =>
            {
                place %= coded.Length;
                var changed = change switch
                {
                    0 => coded[..place] + value + coded[(place + 1)..],
                    1 => coded[..place] + value + coded[place..],
                    _ => coded[..place] + coded[(place + 1)..],
                };
                var expected = ChunkedReference.Decode(changed);
                Assert.Equal(expected, Decode(changed, []));
                Assert.Equal(expected, Decode(changed, cuts));
            },
            iter: 30_000,
            seed: Seed);

    [Fact]
    public void Every_byte_of_a_small_body_can_be_any_other_and_is_read_as_the_grammar_says()
    {
        const string coded = "3;a=\"b\\c\";d=e ;f\r\nabc\r\n0\r\nT: u\r\n\r\n";
        for (var place = 0; place < coded.Length; place++)
        {
            for (var value = 0; value < 256; value++)
            {
                var changed = coded[..place] + (char)value + coded[(place + 1)..];
                var expected = ChunkedReference.Decode(changed);
                Assert.Equal(expected, Decode(changed, []));
                Assert.Equal(expected, Decode(changed, [place, place + 1]));
            }
        }
    }

    [Theory]
    // Sizes.
    [InlineData("\r\n", nameof(HttpFault.BadChunkSize))]
    [InlineData("x\r\n", nameof(HttpFault.BadChunkSize))]
    [InlineData(" 5\r\n", nameof(HttpFault.BadChunkSize))]
    [InlineData("+5\r\n", nameof(HttpFault.BadChunkSize))]
    [InlineData("-5\r\n", nameof(HttpFault.BadChunkSize))]
    [InlineData("0x5\r\n", nameof(HttpFault.BadChunkSize))]
    [InlineData("5_\r\n", nameof(HttpFault.BadChunkSize))]
    [InlineData("5\n", nameof(HttpFault.BadChunkSize))]
    [InlineData("8000000000000000\r\n", nameof(HttpFault.BadChunkSize))]
    [InlineData("FFFFFFFFFFFFFFFF\r\n", nameof(HttpFault.BadChunkSize))]
    [InlineData("10000000000000005\r\n", nameof(HttpFault.BadChunkSize))]
    [InlineData("00000000000000001\r\n", nameof(HttpFault.BadChunkSize))]
    // Extensions.
    [InlineData("5;\r\n", nameof(HttpFault.BadChunkExtension))]
    [InlineData("5 \r\n", nameof(HttpFault.BadChunkExtension))]
    [InlineData("5 a\r\n", nameof(HttpFault.BadChunkExtension))]
    [InlineData("5;a\nb\r\n", nameof(HttpFault.BadChunkExtension))]
    [InlineData("5;a\rb\r\n", nameof(HttpFault.BadChunkExtension))]
    [InlineData("5;a=\r\n", nameof(HttpFault.BadChunkExtension))]
    [InlineData("5;=a\r\n", nameof(HttpFault.BadChunkExtension))]
    [InlineData("5;a=\"\n\"\r\n", nameof(HttpFault.BadChunkExtension))]
    [InlineData("5;a=\"\r\n\"\r\n", nameof(HttpFault.BadChunkExtension))]
    [InlineData("5;a=\"\\\n\"\r\n", nameof(HttpFault.BadChunkExtension))]
    [InlineData("5;a=\"b\"c\r\n", nameof(HttpFault.BadChunkExtension))]
    [InlineData("5;a=b c\r\n", nameof(HttpFault.BadChunkExtension))]
    [InlineData("5;a b\r\n", nameof(HttpFault.BadChunkExtension))]
    [InlineData("5;a \r\n", nameof(HttpFault.BadChunkExtension))]
    [InlineData("5;a\0\r\n", nameof(HttpFault.BadChunkExtension))]
    [InlineData("5\rX", nameof(HttpFault.BadChunkExtension))]
    // The ends of chunks.
    [InlineData("3\r\nabcd\r\n", nameof(HttpFault.BadChunkEnd))]
    [InlineData("3\r\nabc\n", nameof(HttpFault.BadChunkEnd))]
    [InlineData("3\r\nabc\rX", nameof(HttpFault.BadChunkEnd))]
    [InlineData("3\r\nabc0\r\n\r\n", nameof(HttpFault.BadChunkEnd))]
    [InlineData("3\r\nabc\r\n\r\n", nameof(HttpFault.BadChunkSize))]
    // Trailers.
    [InlineData("0\r\n\n", nameof(HttpFault.BadTrailer))]
    [InlineData("0\r\nA: b\n\r\n", nameof(HttpFault.BadTrailer))]
    [InlineData("0\r\nA : b\r\n\r\n", nameof(HttpFault.BadTrailer))]
    [InlineData("0\r\n A: b\r\n\r\n", nameof(HttpFault.BadTrailer))]
    [InlineData("0\r\nA: b\0\r\n\r\n", nameof(HttpFault.BadTrailer))]
    [InlineData("0\r\nGET / HTTP/1.1\r\n\r\n", nameof(HttpFault.BadTrailer))]
    [InlineData("0\r\nContent-Length: 5\r\n\r\n", nameof(HttpFault.ForbiddenTrailer))]
    [InlineData("0\r\ntransfer-encoding: chunked\r\n\r\n", nameof(HttpFault.ForbiddenTrailer))]
    [InlineData("0\r\nA: b\r\nHOST: evil\r\n\r\n", nameof(HttpFault.ForbiddenTrailer))]
    [InlineData("0\r\nAuthorization: x\r\n\r\n", nameof(HttpFault.ForbiddenTrailer))]
    [InlineData("0\r\nX-Forwarded-For: x\r\n\r\n", nameof(HttpFault.ForbiddenTrailer))]
    [InlineData("0\r\nCookie: x\r\n\r\n", nameof(HttpFault.ForbiddenTrailer))]
    [InlineData("0\r\nSet-Cookie: x\r\n\r\n", nameof(HttpFault.ForbiddenTrailer))]
    [InlineData("0\r\nIf-Unmodified-Since: x\r\n\r\n", nameof(HttpFault.ForbiddenTrailer))]
    [InlineData("0\r\nConnection: close\r\n\r\n", nameof(HttpFault.ForbiddenTrailer))]
    [InlineData("0\r\nMalha-Timeout: 5\r\n\r\n", nameof(HttpFault.ForbiddenTrailer))]
    public void Bad_framing_has_one_fault_however_it_comes(string coded, string fault)
    {
        for (var cut = 0; cut < coded.Length; cut++)
        {
            Assert.Equal(ChunkStatus.Fault, Decode(coded, [cut], out var found).Status);
            Assert.Equal(Enum.Parse<HttpFault>(fault), found);
        }
    }

    [Fact]
    public void Sizes_up_to_the_largest_are_counted()
    {
        var decoder = default(ChunkedDecoder);
        var data = Heads.Bytes("7FFFFFFFFFFFFFFF\r\nab");
        Assert.Equal(ChunkStatus.NeedMore, decoder.Decode(data, new TrailerHead(), out var consumed, out var produced));
        Assert.Equal((data.Length, 2), (consumed, produced));
        Assert.Equal(long.MaxValue - 2, decoder.ChunkRemaining);
    }

    [Fact]
    public void Extensions_have_a_limit_over_the_whole_body()
    {
        string Coded(int length) => string.Concat(Enumerable.Repeat($"1;{new string('a', 1023)}\r\nx\r\n", 15)) + $"1;{new string('a', length)}\r\nx\r\n0\r\n\r\n";
        Assert.Equal(ChunkStatus.Complete, Decode(Coded(900), []).Status);
        Assert.Equal(ChunkStatus.Fault, Decode(Coded(1100), [], out var fault).Status);
        Assert.Equal(HttpFault.BadChunkExtension, fault);
    }

    [Fact]
    public void Trailers_have_a_limit_however_they_come()
    {
        static string Coded(int lines, int length) => "0\r\n" + string.Concat(Enumerable.Repeat($"A: {new string('b', length - 5)}\r\n", lines)) + "\r\n";
        foreach (var cuts in (int[][])[[], [100], [4_000, 8_192, 8_193, 8_194, 8_195, 8_196]])
        {
            Assert.Equal(ChunkStatus.Complete, Decode(Coded(2, 4095), cuts).Status);
            Assert.Equal(ChunkStatus.Fault, Decode(Coded(2, 4096), cuts, out var large).Status);
            Assert.Equal(HttpFault.TrailersTooLarge, large);
            Assert.Equal(ChunkStatus.Complete, Decode(Coded(64, 10), cuts).Status);
            Assert.Equal(ChunkStatus.Fault, Decode(Coded(65, 10), cuts, out var many).Status);
            Assert.Equal(HttpFault.TrailersTooLarge, many);
        }
    }

    [Fact]
    public void Trailers_outlive_the_buffer_that_they_came_in()
    {
        var data = Heads.Bytes("1\r\nx\r\n0\r\nX-Sum: 5\r\nVary: a\r\n\r\n");
        var trailers = new TrailerHead();
        var decoder = default(ChunkedDecoder);
        Assert.Equal(ChunkStatus.Complete, decoder.Decode(data, trailers, out _, out _));
        Array.Clear(data);
        Assert.Equal(2, trailers.Count);
        Assert.Equal("X-Sum", Heads.Text(trailers.Bytes(trailers.Fields[0].Name)));
        Assert.Equal("a", Heads.Text(trailers.Bytes(trailers.Fields[1].Value)));
        Assert.Equal(HttpFault.None, trailers.Fault);
    }

    [Fact]
    public void A_body_that_waits_for_its_trailers_has_no_fault()
    {
        var trailers = new TrailerHead();
        var decoder = default(ChunkedDecoder);
        Assert.Equal(ChunkStatus.NeedMore, decoder.Decode(Heads.Bytes("0\r\nA: b\r\n"), trailers, out var consumed, out _));
        Assert.Equal(3, consumed);
        Assert.Equal(HttpFault.None, trailers.Fault);
        Assert.Equal(HttpFault.None, decoder.Fault);
    }

    private static ChunkedResult Decode(string coded, IEnumerable<int> cuts) => Decode(coded, cuts, out _);

    // As a connection does: what was not consumed stays in front of what comes next.
    private static ChunkedResult Decode(string coded, IEnumerable<int> cuts, out HttpFault fault)
    {
        var bytes = Heads.Bytes(coded);
        var body = new StringBuilder();
        var trailers = new TrailerHead();
        var decoder = default(ChunkedDecoder);
        var consumed = 0;
        var status = ChunkStatus.NeedMore;
        foreach (var end in cuts.Where(cut => cut < bytes.Length).Order().Append(bytes.Length))
        {
            if (end < consumed)
                continue;
            var piece = bytes[consumed..end];
            status = decoder.Decode(piece, trailers, out var used, out var produced);
            body.Append(Heads.Text(piece.AsSpan(0, produced)));
            consumed += used;
            if (status != ChunkStatus.NeedMore)
                break;
        }
        fault = decoder.Fault;
        return new ChunkedResult(status, status == ChunkStatus.Fault ? "" : body.ToString(), status == ChunkStatus.Complete ? consumed : 0);
    }
}
