using Malha.Bench.Overload.Figures;

namespace Malha.Bench.Overload.Load;

/// <summary>One try of a call. It ends once: by its answer, by a failure, or by the client's patience.</summary>
internal sealed class Attempt(Player player, int call, int number, long startedAt, long givesUpAt, Connection connection)
{
    private int _ended;

    public int Call => call;

    /// <summary>1 is the first.</summary>
    public int Number => number;

    public long StartedAt => startedAt;

    public long GivesUpAt => givesUpAt;

    /// <summary>Who gets true owns the connection; everybody else must leave it alone.</summary>
    public bool TryEnd() => Interlocked.Exchange(ref _ended, 1) == 0;

    public void Answered(int status) => player.Ended(this, status == 200 ? Outcome.Good : Outcome.Refused, status);

    public void Failed() => player.Ended(this, Outcome.Failed, status: 0);

    public void GiveUpIfOpen()
    {
        if (!TryEnd())
            return;
        connection.Close();
        player.Ended(this, Outcome.TimedOut, status: 0);
    }
}
