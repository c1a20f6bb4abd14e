using Malha.Proxy.Deferral;

namespace Malha.Proxy.Telemetry.Decisions;

/// <summary>Something that Malha decided about a request, copied out of the log for whoever asks.</summary>
internal sealed record Decision
{
    /// <summary>Counts decisions since the start; the order in which they came to an end.</summary>
    public required long Sequence { get; init; }

    public required string RequestId { get; init; }

    public required string TraceId { get; init; }

    /// <summary>When the request had come to its end.</summary>
    public required DateTimeOffset Time { get; init; }

    public required TimeSpan Duration { get; init; }

    public required string Client { get; init; }

    /// <summary>Which of the file's clients it is; null when none took the request.</summary>
    public required string? ClientName { get; init; }

    public required string Method { get; init; }

    /// <summary>Without secrets; cut when it is long.</summary>
    public required string Target { get; init; }

    /// <summary>What the client was answered; 499 when it did not wait for it.</summary>
    public required int Status { get; init; }

    /// <summary>Whether the answer broke off after its head.</summary>
    public required bool IsCut { get; init; }

    public required string? Listener { get; init; }

    public required string? Route { get; init; }

    public required string? Service { get; init; }

    /// <summary>None when the request was answered in the end, after a retry.</summary>
    public required Refusal Refusal { get; init; }

    /// <summary>That it was accepted for later; null when it was not.</summary>
    public required DeferredRequest? Deferred { get; init; }

    /// <summary>All attempts begun, of which the first and the last are told.</summary>
    public required int AttemptCount { get; init; }

    public required AttemptRecord[] Attempts { get; init; }
}
