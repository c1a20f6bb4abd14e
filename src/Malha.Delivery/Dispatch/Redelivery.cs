using Malha.Delivery.Operations;

namespace Malha.Delivery.Dispatch;

/// <summary>
/// What follows on a try. What the server answered is the operation's answer, unless it says that it failed (5xx) or wants it later (408, 425, 429, 503 with Retry-After). Only failures
/// count towards poison: a server that is away, or does not answer, is an outage, and ends with the time to live.
/// </summary>
internal sealed class Redelivery(LaneSettings settings, Func<double> chance)
{
    /// <summary>After so many doublings every back-off is the longest.</summary>
    private const int MostDoublings = 40;

    /// <summary>The operation as it stands after an attempt.</summary>
    public Operation After(Operation operation, in DeliveryOutcome outcome, DateTimeOffset began, DateTimeOffset now)
    {
        var attempt = new AttemptRecord(Whole(began), outcome.Result, outcome.Answer?.Status ?? 0);
        var next = operation with
        {
            AttemptCount = operation.AttemptCount + 1,
            Attempts = [.. operation.Attempts.Append(attempt).TakeLast(OperationLimits.AttemptsKept)],
        };
        return outcome.Kind switch
        {
            // The lane waits, not the operation: whoever is first when the server is back is first.
            DeliveryKind.Unreached => next,
            DeliveryKind.Unanswered => next with { Due = Later(next, Doublings(next), outcome.RetryAfter, now) },
            _ => Answered(next, outcome, now),
        };
    }

    /// <summary>It waits without having been tried.</summary>
    public Operation Held(Operation operation, TimeSpan? retryAfter, DateTimeOffset now) => operation with { Due = Later(operation, 0, retryAfter, now) };

    public Operation Dead(Operation operation, DeadCause cause, DateTimeOffset now) =>
        operation with { State = OperationState.Dead, DeadCause = cause, Finished = Whole(now), Forget = Whole(settings.ForgetAt(now, isDead: true)) };

    private Operation Answered(Operation operation, in DeliveryOutcome outcome, DateTimeOffset now)
    {
        var status = outcome.Answer!.Status;
        if (status == 401)
            return Dead(operation, DeadCause.CredentialExpired, now);
        if (status is 408 or 425 or 429 || (status == 503 && outcome.RetryAfter is not null))
            return operation with { Due = Later(operation, Doublings(operation), outcome.RetryAfter, now) };
        if (status is < 500 or 501 or 505)
            return operation with { State = OperationState.Succeeded, Finished = Whole(now), Forget = Whole(settings.ForgetAt(now, isDead: false)) };

        operation = operation with { Refusals = operation.Refusals + 1 };
        return operation.Refusals >= settings.Config.Attempts
            ? Dead(operation, DeadCause.Poison, now)
            : operation with { Due = Later(operation, operation.Refusals - 1, outcome.RetryAfter, now) };
    }

    // Tries that came to the server and to nothing, in a row at the end.
    private static int Doublings(Operation operation) => Math.Max(0, operation.Attempts.Reverse().TakeWhile(attempt => attempt.Result != AttemptResult.ConnectionFailed).Count() - 1);

    // Half of it is chance, so that what failed together does not come back together; never earlier than the server wants it.
    private DateTimeOffset Later(Operation operation, int doublings, TimeSpan? retryAfter, DateTimeOffset now)
    {
        var (first, longest) = settings.Config.Backoff;
        var ceiling = Math.Min(longest.TotalMilliseconds, first.TotalMilliseconds * Math.Pow(2, Math.Min(doublings, MostDoublings)));
        var wait = TimeSpan.FromMilliseconds(ceiling * (0.5 + (chance() / 2)));
        if (retryAfter > wait)
            wait = retryAfter.Value;
        var due = now + wait;
        // No later than it expires: it is then told so.
        return Whole(operation.Expires < due ? operation.Expires.Value : due);
    }

    private static DateTimeOffset Whole(DateTimeOffset time) => DateTimeOffset.FromUnixTimeMilliseconds(time.ToUnixTimeMilliseconds());
}
