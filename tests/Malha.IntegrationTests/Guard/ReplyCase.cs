using Malha.IntegrationTests.Harness;

namespace Malha.IntegrationTests.Guard;

internal enum ReplyRuling
{
    /// <summary>The answer goes to the client as it is.</summary>
    Pass,

    /// <summary>502, and the upstream connection is dropped.</summary>
    Bad,

    /// <summary>The head was good, so it may have been passed on: 502, or an answer that the client can see is not whole. Dropped too.</summary>
    BadBody,

    /// <summary>Passed, or 502.</summary>
    Either,
}

/// <summary>
/// What an upstream sends for one request and what is right. <see cref="LeavesConnection"/>: the upstream's connection may serve again, since
/// the answer ended it neither by words nor by bytes behind its end.
/// </summary>
internal sealed record ReplyCase(string Name, string Method, byte[] Reply, ReplyRuling Ruling)
{
    /// <summary>The answer that the client gets, when it is passed.</summary>
    public WireAnswer? Expected { get; init; }

    public IReadOnlyList<WireAnswer> Interim { get; init; } = [];

    /// <summary>The upstream ends the connection behind its bytes; otherwise it keeps it open, as one that believes its answer was good.</summary>
    public bool Ends { get; init; }

    public bool LeavesConnection { get; init; }

    public string Kind => Ruling switch
    {
        ReplyRuling.Pass => "good",
        ReplyRuling.Either => "ambiguous",
        _ => "refuse",
    };

    public static ReplyCase Read(string name, string reply, string method = "GET") => Read(name, WireText.Bytes(reply), method);

    public static ReplyCase Bad(string name, string reply, string method = "GET") => new(name, method, WireText.Bytes(reply), ReplyRuling.Bad);

    /// <summary>May be 502; else the client gets what the plain reply says.</summary>
    public static ReplyCase Either(string name, string reply, string plain, string method = "GET") =>
        Read(name, plain, method) with { Reply = WireText.Bytes(reply), Ruling = ReplyRuling.Either };

    /// <summary>What a strict reader of RFC 9112 makes of the bytes.</summary>
    public static ReplyCase Read(string name, byte[] reply, string method = "GET")
    {
        var interim = new List<WireAnswer>();
        ReadOnlyMemory<byte> rest = reply;
        while (true)
        {
            var read = WireReader.Answer(rest, method, ended: false);
            var ends = read.State == WireState.Incomplete;
            if (ends)
                read = WireReader.Answer(rest, method, ended: true);
            if (read.State != WireState.Complete)
                return new(name, method, reply, read.Head == null ? ReplyRuling.Bad : ReplyRuling.BadBody) { Ends = ends, Interim = interim };
            var answer = read.Message!;
            // Nobody asked for another protocol, so an upstream that switches has lost the thread (RFC 9110, 15.2.2).
            if (answer.Status == 101)
                return new(name, method, reply, ReplyRuling.Bad) { Interim = interim };
            rest = rest[answer.Length..];
            if (answer.Status < 200)
            {
                interim.Add(answer);
                continue;
            }
            return new(name, method, reply, ReplyRuling.Pass)
            {
                Expected = answer,
                Interim = interim,
                Ends = ends,
                LeavesConnection = rest.IsEmpty && !ends && answer.KeepsConnection,
            };
        }
    }
}
