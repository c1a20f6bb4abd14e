namespace Malha.IntegrationTests.Harness;

/// <summary>One field line, its value without the optional white space around it.</summary>
internal sealed record WireField(string Name, string Value);

/// <summary>What both kinds of message have; <see cref="Length"/> is the number of bytes that the whole message took.</summary>
internal abstract record WireMessage
{
    public required string Version { get; init; }

    public required IReadOnlyList<WireField> Fields { get; init; }

    public byte[] Body { get; init; } = [];

    public IReadOnlyList<WireField> Trailers { get; init; } = [];

    public bool IsChunked { get; init; }

    public bool HasChunkExtensions { get; init; }

    public int Length { get; init; }

    public IEnumerable<string> Values(string name) =>
        Fields.Where(field => field.Name.Equals(name, StringComparison.OrdinalIgnoreCase)).Select(field => field.Value);

    public string? Value(string name) => Values(name).FirstOrDefault();

    public bool HasToken(string name, string token) => Values(name)
        .SelectMany(value => value.Split(',', StringSplitOptions.TrimEntries))
        .Contains(token, StringComparer.OrdinalIgnoreCase);

    /// <summary>Whether the sender keeps the connection: HTTP/1.1 unless it says close, HTTP/1.0 only if it says keep-alive.</summary>
    public bool KeepsConnection => !HasToken("Connection", "close") && (Version == "HTTP/1.1" || HasToken("Connection", "keep-alive"));
}

internal sealed record WireRequest : WireMessage
{
    public required string Method { get; init; }

    public required string Target { get; init; }
}

internal sealed record WireAnswer : WireMessage
{
    public required int Status { get; init; }

    public required string Reason { get; init; }

    /// <summary>The body ends with the connection: nobody can tell a whole one from a cut one.</summary>
    public bool EndsWithConnection { get; init; }
}

internal enum WireState
{
    Complete,
    Incomplete,
    Malformed,
}

/// <summary>What a reader made of the bytes so far. <see cref="Head"/> is there as soon as the head is whole.</summary>
internal sealed record WireRead<T>(WireState State, T? Message, T? Head, string? Fault)
    where T : WireMessage;
