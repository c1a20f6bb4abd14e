using Malha.Proxy.Http1;

namespace Malha.Proxy;

/// <summary>Why Malha answers a request itself instead of passing on an answer. Each is a problem type of its own.</summary>
internal enum RefusalKind : byte
{
    None = 0,
    Malformed,
    NoRoute,
    MethodNotAllowed,
    SlowRequest,
    BodyTooLarge,
    ClientGone,
    NoEndpoint,
    ConnectionLimit,
    StreamLimit,
    Overloaded,
    OverCapacity,
    BreakerOpen,
    ConnectFailed,
    ConnectTimeout,
    Untrusted,
    ConnectionLost,
    HedgeLost,
    BadAnswer,
    Deadline,
    Shutdown,
    Unhealthy,
    Internal,
    InvalidCredential,
    CredentialFailures,
    Unauthenticated,
    Forbidden,
    RateLimited,
    SelfProtection,
    Throttled,
    IdempotencyKeyMissing,
    IdempotencyKeyInUse,
    IdempotencyKeyReused,
    NotKept,
    NoOperation,
    OperationMethod,
    OperationStarted,
    NoAnswer,
    AnswerNotKept,
}

/// <summary>A refusal as a value: what happened, and what was measured against which limit.</summary>
/// <param name="Kind">The reason.</param>
/// <param name="Fault">For a malformed message: which rule it breaks.</param>
/// <param name="Rule">Path of the setting that decided, such as <c>services.payments.timeout</c>.</param>
/// <param name="Limit">The setting's value, in <paramref name="Unit"/>.</param>
/// <param name="Observed">What was measured, in <paramref name="Unit"/>.</param>
/// <param name="Unit">Unit of both; null when nothing was measured.</param>
/// <param name="RetryAfterMs">When it may help to try again, in milliseconds; 0 when it is not known.</param>
/// <param name="Detail">What else there is to say; null when the fault says it all.</param>
internal readonly record struct Refusal(
    RefusalKind Kind,
    HttpFault Fault = HttpFault.None,
    string? Rule = null,
    double Limit = 0,
    double Observed = 0,
    string? Unit = null,
    long RetryAfterMs = 0,
    string? Detail = null)
{
    public static Refusal None => default;

    public bool IsNone => Kind == RefusalKind.None;

    public int Status => Kind switch
    {
        RefusalKind.Malformed => Fault.Status(),
        RefusalKind.InvalidCredential or RefusalKind.Unauthenticated => 401,
        RefusalKind.Forbidden => 403,
        RefusalKind.IdempotencyKeyMissing => 400,
        RefusalKind.NoRoute or RefusalKind.NoOperation or RefusalKind.NoAnswer => 404,
        RefusalKind.MethodNotAllowed or RefusalKind.OperationMethod => 405,
        RefusalKind.SlowRequest => 408,
        RefusalKind.IdempotencyKeyInUse or RefusalKind.OperationStarted => 409,
        RefusalKind.AnswerNotKept => 410,
        RefusalKind.BodyTooLarge => 413,
        RefusalKind.IdempotencyKeyReused => 422,
        RefusalKind.RateLimited or RefusalKind.CredentialFailures => 429,
        RefusalKind.ClientGone => 499,
        RefusalKind.ConnectFailed or RefusalKind.Untrusted or RefusalKind.ConnectionLost or RefusalKind.BadAnswer => 502,
        RefusalKind.ConnectTimeout or RefusalKind.Deadline => 504,
        RefusalKind.Internal => 500,
        _ => 503,
    };
}
