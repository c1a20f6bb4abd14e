using Malha.Lab.Simulation;
using Malha.Resilience;

namespace Malha.Lab.Domino;

/// <summary>
/// A service that asks another while one of its workers waits for the answer, as most are written: so many workers, an unbounded queue before them. A slow
/// service behind it holds its workers, and with all of them held it does nothing at all.
/// </summary>
internal sealed class Tier(VirtualTime time, int workers, Func<TimeSpan> work)
{
    private readonly Queue<(Action<Answered>? Below, Answered Answer)> _queue = new();

    public int Busy { get; private set; }

    public int Queued => _queue.Count;

    /// <summary>How much longer its own work takes now.</summary>
    public Func<double> Slowness { get; set; } = () => 1;

    /// <param name="below">What it asks for before it can answer; null: nothing.</param>
    /// <param name="answer">Told the answer.</param>
    public void Call(Action<Answered>? below, Answered answer)
    {
        _queue.Enqueue((below, answer));
        Work();
    }

    private void Work()
    {
        while (Busy < workers && _queue.TryDequeue(out var call))
        {
            Busy++;
            time.After(work() * Slowness(), () =>
            {
                if (call.Below is { } below)
                    below(outcome => Finish(call.Answer, PassedOn(outcome)));
                else
                    Finish(call.Answer, OutcomeKind.Success);
            });
        }
    }

    /// <summary>As services do: 503 of what they call is their own 503, and anything else that went wrong is a 500.</summary>
    private static OutcomeKind PassedOn(OutcomeKind below) => below is OutcomeKind.Success or OutcomeKind.BackPressure ? below : OutcomeKind.Failure;

    private void Finish(Answered answer, OutcomeKind outcome)
    {
        Busy--;
        answer(outcome);
        Work();
    }
}
