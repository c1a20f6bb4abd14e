namespace Malha.Lab.Kafka;

/// <summary>
/// What one producer was told about each message that it sent, kept outside the cluster. One thread sends, one of the client's reports; the reader comes when both are done.
/// </summary>
internal sealed class LevelLedger(int capacity, TimeProvider time)
{
    private enum Told : byte
    {
        Nothing = 0,
        Acknowledged = 1,
        Failed = 2,
    }

    private readonly Told[] _told = new Told[capacity];
    private readonly int[] _stored = new int[capacity];
    private readonly long _begun = time.GetTimestamp();
    private readonly List<int> _perSecond = [];
    private TimeSpan _lastAck;
    private TimeSpan _longestGap;

    /// <summary>How many were handed to the producer; their sequences count from 0.</summary>
    public int Sent { get; private set; }

    /// <summary>What the producer would not take: its queue was full.</summary>
    public int Refused { get; private set; }

    public TimeSpan Elapsed => time.GetElapsedTime(_begun);

    public TimeSpan LongestGap => _longestGap;

    /// <summary>Acknowledgements in each second since the beginning.</summary>
    public IReadOnlyList<int> AcksPerSecond => _perSecond;

    public int Acknowledged => _told.Count(told => told == Told.Acknowledged);

    public int Consumed => _stored.Sum();

    /// <summary>Acknowledged, and not in the topic.</summary>
    public int Lost => Count((told, stored) => told == Told.Acknowledged && stored == 0);

    /// <summary>In the topic more than once; each further copy counts.</summary>
    public int Duplicated => _stored.Sum(stored => Math.Max(0, stored - 1));

    /// <summary>In the topic, though its sender was told that it failed.</summary>
    public int StoredThoughFailed => Count((told, stored) => told == Told.Failed && stored > 0);

    public int Failed => _told.Count(told => told == Told.Failed);

    public bool IsFull => Sent >= _told.Length;

    public void SentOne() => Sent++;

    public void RefusedOne() => Refused++;

    public void Reported(int sequence, bool failed)
    {
        _told[sequence] = failed ? Told.Failed : Told.Acknowledged;
        if (failed)
            return;
        var now = Elapsed;
        if (now - _lastAck > _longestGap)
            _longestGap = now - _lastAck;
        _lastAck = now;
        while (_perSecond.Count <= (int)now.TotalSeconds)
            _perSecond.Add(0);
        _perSecond[(int)now.TotalSeconds]++;
    }

    /// <summary>False: no message of this run has that sequence.</summary>
    public bool Found(int sequence)
    {
        if (sequence < 0 || sequence >= Sent)
            return false;
        _stored[sequence]++;
        return true;
    }

    private int Count(Func<Told, int, bool> which)
    {
        var count = 0;
        for (var i = 0; i < Sent; i++)
            count += which(_told[i], _stored[i]) ? 1 : 0;
        return count;
    }
}
