using Malha.IntegrationTests.Harness;

namespace Malha.IntegrationTests.Guard;

/// <summary>What has to happen behind the requests that are forwarded.</summary>
internal enum GuardTail
{
    /// <summary>Nothing more was sent.</summary>
    Done,

    /// <summary>The rest is refused and the connection closed, without a byte of it upstream.</summary>
    Refused,

    /// <summary>The rest is a request that never becomes whole: it must not become one upstream.</summary>
    Unfinished,

    /// <summary>The request before it ended the connection: what follows is not answered (RFC 9112, 9.6).</summary>
    NotProcessed,
}

/// <summary>Bytes for a listener and what is right: these requests forwarded and answered in this order, then the tail.</summary>
internal sealed record GuardCase(string Name, byte[] Bytes, IReadOnlyList<WireRequest> Forwarded, GuardTail Tail)
{
    /// <summary>To refuse the whole is as right as to forward it (as one plain request that says the same).</summary>
    public bool MayRefuse { get; init; }

    /// <summary>The statuses that a refusal may have; empty: any of 4xx, 501, 505.</summary>
    public IReadOnlyList<int> Statuses { get; init; } = [];

    /// <summary>How numbers are told apart in a summary: what must be refused, what may be, what must pass.</summary>
    public string Kind => MayRefuse ? "ambiguous" : Forwarded.Count == 0 && Tail == GuardTail.Refused ? "refuse" : "good";

    /// <summary>The bytes stop inside a head, so that a reader may wait for the rest and then just close.</summary>
    public bool IsCut => Read(Name, Bytes).Tail == GuardTail.Unfinished;

    public static GuardCase Refuse(string name, string request, params int[] statuses) =>
        new(name, WireText.Bytes(request), [], GuardTail.Refused) { Statuses = statuses };

    /// <summary>Forwards what a strict reader of RFC 9112 takes from the bytes, up to a fault if there is one.</summary>
    public static GuardCase Good(string name, string request)
    {
        var guardCase = Read(name, WireText.Bytes(request));
        return guardCase.Forwarded.Count > 0 || guardCase.Tail == GuardTail.Unfinished ? guardCase : throw new ArgumentException($"{name} is not good");
    }

    public static GuardCase Either(string name, string request) => Read(name, WireText.Bytes(request)) with { MayRefuse = true };

    public static GuardCase Read(string name, byte[] bytes)
    {
        var forwarded = new List<WireRequest>();
        ReadOnlyMemory<byte> rest = bytes;
        while (true)
        {
            // Empty lines before a request line are passed over (RFC 9112, 2.2).
            while (rest.Span.StartsWith("\r\n"u8))
                rest = rest[2..];
            if (rest.IsEmpty)
                return new(name, bytes, forwarded, GuardTail.Done);
            if (forwarded.Count > 0 && !forwarded[^1].KeepsConnection)
                return new(name, bytes, forwarded, GuardTail.NotProcessed);
            var read = WireReader.Request(rest);
            if (read.State != WireState.Complete)
                return new(name, bytes, forwarded, read.State == WireState.Malformed ? GuardTail.Refused : GuardTail.Unfinished);
            forwarded.Add(read.Message!);
            rest = rest[read.Message!.Length..];
        }
    }
}
