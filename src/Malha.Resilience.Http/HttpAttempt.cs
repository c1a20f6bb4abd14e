using System.Net;

namespace Malha.Resilience.Http;

/// <summary>How an HTTP request is sent and its answer read, the same as in the gateway: 5xx but 501 and 505 are failures, 429 and 503 with Retry-After are back-pressure.</summary>
internal sealed class HttpAttempt(TimeProvider time) : ResilienceCall<HttpExchange, HttpResponseMessage>
{
    /// <summary>The body follows the head, and some handlers tie it to the token.</summary>
    public override bool TokensOutliveAttempts => true;

    public override ValueTask<HttpResponseMessage> AttemptAsync(HttpExchange state, int number, CancellationToken cancellationToken) =>
        new(state.SendAsync(number, cancellationToken));

    public override bool CanRepeat(HttpExchange state) => state.IsIdempotent && state.CanReplay;

    public override void Discard(HttpResponseMessage answer) => answer.Dispose();

    public override AttemptJudgement Judge(HttpExchange state, HttpResponseMessage? answer, Exception? exception)
    {
        var retryAfter = answer is null ? null : RetryAfter(answer);
        var outcome = answer is not null ? Read(answer.StatusCode, retryAfter is not null) : Read(exception!);
        var facts = new AttemptFacts
        {
            Outcome = outcome,
            Idempotent = state.IsIdempotent,
            FirstByteSent = outcome != OutcomeKind.ConnectionFailure,
            BodyReplayable = state.CanReplay,
        };
        return new AttemptJudgement(outcome, Retryabilities.Judge(facts), retryAfter);
    }

    private static OutcomeKind Read(HttpStatusCode status, bool asksForPause) => (int)status switch
    {
        429 => OutcomeKind.BackPressure,
        503 when asksForPause => OutcomeKind.BackPressure,
        >= 500 and not (501 or 505) => OutcomeKind.Failure,
        _ => OutcomeKind.Success,
    };

    // What is no failure of the wire is a mistake of the program, and says nothing about the service.
    private static OutcomeKind Read(Exception exception) => exception switch
    {
        HttpRequestException
        {
            HttpRequestError: HttpRequestError.ConnectionError or HttpRequestError.NameResolutionError or HttpRequestError.SecureConnectionError or HttpRequestError.ProxyTunnelError,
        } => OutcomeKind.ConnectionFailure,
        HttpRequestException or IOException => OutcomeKind.Failure,
        _ => OutcomeKind.Abandoned,
    };

    private TimeSpan? RetryAfter(HttpResponseMessage answer) => answer.Headers.RetryAfter switch
    {
        { Delta: { } delta } => delta,
        { Date: { } date } => date - time.GetUtcNow() is var left && left > TimeSpan.Zero ? left : TimeSpan.Zero,
        _ => null,
    };
}
