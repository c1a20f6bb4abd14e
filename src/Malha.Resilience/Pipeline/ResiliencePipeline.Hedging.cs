namespace Malha.Resilience;

public sealed partial class ResiliencePipeline
{
    /// <summary>
    /// An attempt that takes long gets another one beside it; the first answer wins, and the others are abandoned. It ends with the first success, or with
    /// the last failure. Unlike everything else it allocates: several attempts are followed at once.
    /// </summary>
    private async ValueTask<Ended<T>> RaceAsync<TState, T>(Call<TState, T> call, Attempt first, int number)
    {
        // To those who lose the race it is as if their caller had left.
        using var race = CancellationTokenSource.CreateLinkedTokenSource(call.CancellationToken);
        var running = new List<Task<Ended<T>>> { Follow(call, first, number, race.Token) };
        var (beside, mayHedge) = (1, true);
        while (true)
        {
            if (mayHedge && _hedging!.Delay(_clock.Now) is { } delay && !await AnyEndsWithin(running, delay).ConfigureAwait(false))
            {
                mayHedge = TryHedge(call, beside, out var attempt);
                if (mayHedge)
                {
                    beside++;
                    running.Add(Follow(call, attempt, number + beside - 1, race.Token));
                }

                continue;
            }

            var ended = await (await Task.WhenAny(running).ConfigureAwait(false)).ConfigureAwait(false);
            running.RemoveAll(one => one.IsCompletedSuccessfully && one.Result.Made == ended.Made);
            if (ended.Judged.Outcome != OutcomeKind.Success && running.Count > 0)
            {
                // Another one may still answer.
                if (ended.Thrown is null)
                    call.Kind.Discard(ended.Answer!);
                continue;
            }

            if (running.Count > 0)
                await race.CancelAsync().ConfigureAwait(false);
            foreach (var late in running)
                _ = DiscardAsync(call.Kind, late);
            return ended with { Made = number + beside - 1 };
        }
    }

    private Task<Ended<T>> Follow<TState, T>(in Call<TState, T> call, in Attempt attempt, int number, CancellationToken race) =>
        FinishAsync(call, attempt, Begin(call, attempt, number, race), number, race).AsTask();

    private async ValueTask<bool> AnyEndsWithin<T>(List<Task<Ended<T>>> running, TimeSpan delay)
    {
        if (running.Exists(one => one.IsCompleted))
            return true;
        using var enough = new CancellationTokenSource();
        var pause = Task.Delay(delay, _clock.Source, enough.Token);
        await Task.WhenAny(running.Cast<Task>().Append(pause)).ConfigureAwait(false);
        var ended = running.Exists(one => one.IsCompleted);
        await enough.CancelAsync().ConfigureAwait(false);
        return ended;
    }

    // A hedge is a luxury: it waits for nothing, neither for a place at the service nor for a breaker's leave. It pays last.
    private bool TryHedge<TState, T>(in Call<TState, T> call, int beside, out Attempt attempt)
    {
        var now = _clock.Now;
        attempt = default;
        if (call.CancellationToken.IsCancellationRequested || !TryStart(call, now, out attempt, out _))
            return false;
        if (_hedging!.TryHedge(beside, call.Deadline, _admission?.Controller.TypicalLatency ?? default, _budget, now))
            return true;
        if (attempt.Timeout is { } timeout)
            _timeouts.Return(timeout);
        Breaker?.Report(attempt.Breaker, OutcomeKind.Abandoned, now);
        _throttle?.Report(OutcomeKind.Abandoned, now);
        Release(attempt.Limit, OutcomeKind.ConnectionFailure, now);
        return false;
    }

    private static async Task DiscardAsync<TState, T>(ResilienceCall<TState, T> kind, Task<Ended<T>> late)
    {
        var ended = await late.ConfigureAwait(false);
        if (ended.Thrown is null)
            kind.Discard(ended.Answer!);
    }
}
