using Malha.Resilience;

namespace Malha.Lab.Simulation;

/// <summary>The caller that everybody writes first: a timeout for each attempt and a number of retries, at once.</summary>
internal sealed class BlindCaller(VirtualTime time, Tally tally, Action<Answered> send, TimeSpan timeout, int retries)
{
    public void Ask()
    {
        tally.Ask(time.Seconds);
        Try(time.Seconds, 0, null);
    }

    /// <summary>For a caller in the middle of a chain: whoever asked is told.</summary>
    public void Ask(Answered answer)
    {
        tally.Ask(time.Seconds);
        Try(time.Seconds, 0, answer);
    }

    private void Try(double askedAt, int attempt, Answered? answer)
    {
        tally.Attempt(time.Seconds);
        var over = false;
        VirtualTime.Event? timer = null;
        timer = time.After(timeout, () => End(OutcomeKind.Timeout));
        send(End);

        void End(OutcomeKind outcome)
        {
            if (over)
                return;
            over = true;
            timer?.Cancel();
            if (outcome == OutcomeKind.Success)
                tally.Succeed(askedAt, time.Now);
            else if (attempt < retries)
            {
                Try(askedAt, attempt + 1, answer);
                return;
            }

            answer?.Invoke(outcome);
        }
    }
}
