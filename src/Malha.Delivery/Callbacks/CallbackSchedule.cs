using Malha.Configuration;
using Malha.Delivery.Operations;

namespace Malha.Delivery.Callbacks;

/// <summary>When an operation's end is told, and told again. Pure: time and chance come in.</summary>
internal static class CallbackSchedule
{
    /// <summary>After so many doublings every back-off is the longest.</summary>
    private const int MostDoublings = 40;

    /// <summary>
    /// An operation that is about to be stored, with the callback that its state asks for: due at once when it has ended, so that both are in the log or neither is; none while it
    /// waits, or waits again, whose end will be another.
    /// </summary>
    public static Operation Settled(Operation operation, DateTimeOffset now)
    {
        if (operation.Callback.Length == 0)
            return operation;
        if (operation.State == OperationState.Waiting)
            return operation.CallbackState == CallbackState.None ? operation : operation with { CallbackState = CallbackState.None, CallbackDue = null, CallbackAttempts = 0, CallbackStatus = 0, CallbackProblem = "" };
        return operation.CallbackState == CallbackState.None ? operation with { CallbackState = CallbackState.Pending, CallbackDue = Whole(now) } : operation;
    }

    /// <summary>The operation as it stands after an attempt.</summary>
    /// <param name="operation">Whose callback is pending.</param>
    /// <param name="outcome">What became of the attempt.</param>
    /// <param name="delivery">The keys in force; with callbacks.</param>
    /// <param name="chance">From 0 to 1.</param>
    /// <param name="now">When it ended.</param>
    public static Operation After(Operation operation, in CallbackOutcome outcome, DeliveryConfig delivery, double chance, DateTimeOffset now)
    {
        var attempts = operation.CallbackAttempts + 1;
        var next = operation with { CallbackAttempts = attempts, CallbackStatus = outcome.Status, CallbackProblem = outcome.Problem };
        if (outcome.IsTaken || outcome.IsGone)
            return next with { CallbackState = outcome.IsTaken ? CallbackState.Delivered : CallbackState.Gone, CallbackDue = null };

        var (first, longest) = delivery.Backoff;
        var ceiling = Math.Min(longest.TotalMilliseconds, first.TotalMilliseconds * Math.Pow(2, Math.Min(attempts - 1, MostDoublings)));
        var wait = TimeSpan.FromMilliseconds(ceiling * (0.5 + (chance / 2)));
        if (outcome.RetryAfter > wait)
            wait = outcome.RetryAfter.Value < longest ? outcome.RetryAfter.Value : longest;
        var due = Whole(now + wait);
        return due > (operation.Finished ?? now) + delivery.Callbacks!.Ttl
            ? next with { CallbackState = CallbackState.GivenUp, CallbackDue = null }
            : next with { CallbackDue = due };
    }

    private static DateTimeOffset Whole(DateTimeOffset time) => DateTimeOffset.FromUnixTimeMilliseconds(time.ToUnixTimeMilliseconds());
}
