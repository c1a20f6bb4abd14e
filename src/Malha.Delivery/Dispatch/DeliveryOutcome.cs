using Malha.Delivery.Operations;
using Malha.Proxy;

namespace Malha.Delivery.Dispatch;

/// <summary>What one try to deliver an operation came to.</summary>
internal enum DeliveryKind
{
    /// <summary>The server gave its answer, whole.</summary>
    Answered,

    /// <summary>Something was sent, and no whole answer came: it may have been carried out.</summary>
    Unanswered,

    /// <summary>No endpoint took the connection.</summary>
    Unreached,

    /// <summary>Nothing was tried: nobody may have anything of the service now.</summary>
    LaneHeld,

    /// <summary>Nothing was tried: this operation may not have it now.</summary>
    OperationHeld,

    /// <summary>It was broken off since the gateway stops; it counts as not tried.</summary>
    BrokenOff,

    /// <summary>What was kept is no request.</summary>
    Undeliverable,
}

/// <summary>The result of one try.</summary>
/// <param name="Kind">What it came to.</param>
/// <param name="Refusal">Why there is no answer.</param>
/// <param name="Answer">The server's answer.</param>
/// <param name="RetryAfter">When the server, or what holds it back, wants to be asked again.</param>
internal readonly record struct DeliveryOutcome(DeliveryKind Kind, Refusal Refusal, Answer? Answer = null, TimeSpan? RetryAfter = null)
{
    /// <summary>How an attempt that was made is remembered.</summary>
    public AttemptResult Result => Kind switch
    {
        DeliveryKind.Answered => AttemptResult.Answered,
        DeliveryKind.Unreached => AttemptResult.ConnectionFailed,
        _ => Refusal.Kind == RefusalKind.Deadline ? AttemptResult.TimedOut : AttemptResult.Reset,
    };
}
