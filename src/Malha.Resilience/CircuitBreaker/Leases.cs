namespace Malha.Resilience;

/// <summary>The probes of one half-open phase: who holds a permit until when, and what came of the others. Not synchronized.</summary>
internal sealed class Leases
{
    private readonly (int Id, Moment Until)[] _held = new (int, Moment)[Defaults.BreakerProbesAtMost];
    private int _count;
    private int _lastId;

    public int Succeeded { get; set; }

    public int Failed { get; set; }

    public int Hung { get; private set; }

    public Moment NextExpiry
    {
        get
        {
            var next = Moment.Never;
            for (var i = 0; i < _count; i++)
                next = Moment.Min(next, _held[i].Until);
            return next;
        }
    }

    /// <summary>A probe is free when neither its result is in nor somebody is finding it out.</summary>
    public bool HasRoom(int probes, Moment now)
    {
        var hanging = 0;
        for (var i = 0; i < _count; i++)
            hanging += _held[i].Until <= now ? 1 : 0;
        return _count - hanging + Succeeded + Failed < probes;
    }

    public bool TryTake(int probes, Moment now, Moment until, out int id)
    {
        Expire(now);
        id = 0;
        if (_count + Succeeded + Failed >= probes)
            return false;

        id = ++_lastId;
        _held[_count++] = (id, until);
        return true;
    }

    /// <summary>False when the lease is no longer held: the probe hung, and what it says now is too late.</summary>
    public bool TryEnd(int id)
    {
        for (var i = 0; i < _count; i++)
        {
            if (_held[i].Id != id)
                continue;
            _held[i] = _held[--_count];
            return true;
        }

        return false;
    }

    public void Expire(Moment now)
    {
        for (var i = _count - 1; i >= 0; i--)
        {
            if (_held[i].Until > now)
                continue;
            _held[i] = _held[--_count];
            Hung++;
        }
    }

    public void Clear()
    {
        _count = 0;
        Succeeded = 0;
        Failed = 0;
        Hung = 0;
    }
}
