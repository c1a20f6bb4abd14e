using Malha.Resilience;

namespace Malha.Proxy.Upstream;

/// <summary>
/// An attempt that takes long gets another one beside it, at another endpoint where there is one; the first answer wins, and the others are broken off. Only
/// what may be executed twice and is at hand whole.
/// </summary>
/// <remarks>Unlike everything else on the way of a request it allocates: an exchange that hedges is followed by several threads at once.</remarks>
internal sealed class HedgedAttempts(DataPlane plane, EndpointAttempt attempt)
{
    /// <summary>Whether the exchange may have several attempts at once.</summary>
    public static bool Allows(Exchange exchange)
    {
        var request = exchange.Request;
        return !exchange.IsDelivery && request.MayRunTwice && !request.WantsUpgrade && !request.ExpectsContinue
            && exchange.Body.IsComplete && exchange.Body.CanReplay && exchange.Caller.InboundAttempt <= 1;
    }

    /// <summary>Makes the attempt in the exchange's own slot, and others beside it. The result is the first answer, or the last failure.</summary>
    public async ValueTask<AttemptResult> RunAsync(Exchange exchange, Hedging hedging)
    {
        exchange.IsHedged = true;
        var began = plane.Clock.Now;
        var running = new List<(Task<AttemptResult> Task, AttemptSlot Slot)> { (attempt.RunAsync(exchange, exchange.Attempt).AsTask(), exchange.Attempt) };
        var mayHedge = true;
        while (true)
        {
            if (mayHedge && hedging.Delay(plane.Clock.Now) is { } delay && !await AnyEndsWithinAsync(running, delay, exchange))
            {
                mayHedge = TryStart(exchange, hedging, running);
                continue;
            }

            await Task.WhenAny(running.Select(one => one.Task));
            var index = running.FindIndex(one => one.Task.IsCompleted);
            var (ended, slot) = running[index];
            running.RemoveAt(index);
            var result = await ended;
            if (slot == exchange.Attempt && result.Outcome == OutcomeKind.Success)
                hedging.OnAnswer(plane.Clock.Now - began, plane.Clock.Now);
            if (running.Count > 0 && (result.Connection is null || result.Outcome != OutcomeKind.Success))
            {
                // Another one may still answer.
                if (result.Connection is { } failed)
                    EndpointAttempt.Finish(slot, failed, clean: false);
                continue;
            }
            await EndAsync(running);
            return Adopt(exchange, slot, result);
        }
    }

    private async ValueTask<bool> AnyEndsWithinAsync(List<(Task<AttemptResult> Task, AttemptSlot Slot)> running, TimeSpan delay, Exchange exchange)
    {
        var pause = exchange.Pause.ForAsync(plane.Wheel, delay, exchange).AsTask();
        await Task.WhenAny(running.Select(one => (Task)one.Task).Append(pause));
        var ended = running.Exists(one => one.Task.IsCompleted);
        exchange.Pause.Cut();
        await pause;
        return ended || exchange.Cancelled != CancelReason.None;
    }

    // A hedge is a luxury: it waits for nothing, neither for a place at the service nor for a breaker's leave.
    private bool TryStart(Exchange exchange, Hedging hedging, List<(Task<AttemptResult> Task, AttemptSlot Slot)> running)
    {
        var now = plane.Clock.Now;
        var service = exchange.Service!;
        var admission = service.State.Admission;
        var permit = default(LimitPermit);
        if (admission is not null && !admission.TryAdmitAtOnce(exchange, now, out permit))
            return false;
        var slot = new AttemptSlot(exchange) { Permit = permit };
        var endpoint = service.Choose(exchange, plane.Wheel.NowMs, now, out var breaker);
        if (endpoint is null || !hedging.TryHedge(exchange.Attempts, exchange.PolicyDeadline, admission?.Controller.TypicalLatency ?? default, service.BudgetOf(exchange), now))
        {
            if (endpoint is not null)
                endpoint.Breaker?.Report(breaker.Permit, OutcomeKind.Abandoned, now);
            admission?.GiveBack(slot, now);
            return false;
        }

        slot.Begin(endpoint, breaker, admission);
        exchange.Hedge(slot);
        running.Add((attempt.RunAsync(exchange, slot).AsTask(), slot));
        return true;
    }

    // The answer's connection is the exchange's own from now on, to be broken off when the client leaves.
    private static AttemptResult Adopt(Exchange exchange, AttemptSlot slot, in AttemptResult result)
    {
        if (slot == exchange.Attempt || result.Connection is not { } connection)
            return result;
        slot.Detach();
        exchange.Attempt.Attach(connection);
        return result;
    }

    private static async ValueTask EndAsync(List<(Task<AttemptResult> Task, AttemptSlot Slot)> running)
    {
        foreach (var (_, slot) in running)
            slot.Lose();
        foreach (var (task, slot) in running)
        {
            if ((await task).Connection is { } late)
                EndpointAttempt.Finish(slot, late, clean: false);
        }
    }
}
