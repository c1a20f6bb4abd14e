using System.Security.Authentication;

namespace Malha.Proxy.Tls;

/// <summary>A listener's handshakes: those under way, which are bounded, and what has become of the others. It outlives the configuration.</summary>
internal sealed class HandshakeState
{
    private readonly Lock _lock = new();
    private readonly HashSet<ServerHandshake> _active = [];
    private readonly long[] _failures = new long[HandshakeFailures.Count];
    private long _tls12;
    private long _tls13;
    private long _toldAt = long.MinValue;

    /// <summary>Under way now.</summary>
    public int Active
    {
        get
        {
            lock (_lock)
                return _active.Count;
        }
    }

    /// <summary>What the last one that failed has failed of.</summary>
    public string? LastFailure { get; private set; }

    public long Completed(SslProtocols protocol) => Interlocked.Read(ref protocol == SslProtocols.Tls13 ? ref _tls13 : ref _tls12);

    public long Failed(HandshakeFailure failure) => Interlocked.Read(ref _failures[(int)failure]);

    /// <summary>Notes one that begins; how many there are with it.</summary>
    public int Began(ServerHandshake handshake)
    {
        lock (_lock)
        {
            _active.Add(handshake);
            return _active.Count;
        }
    }

    public void Succeeded(ServerHandshake handshake, SslProtocols protocol)
    {
        Interlocked.Increment(ref protocol == SslProtocols.Tls13 ? ref _tls13 : ref _tls12);
        Forget(handshake);
    }

    public void Failed(ServerHandshake handshake, HandshakeFailure failure, string detail)
    {
        Interlocked.Increment(ref _failures[(int)failure]);
        LastFailure = $"{HandshakeFailures.NameOf(failure)}: {detail}";
        Forget(handshake);
    }

    /// <summary>Whether a failure is worth a line in the log: one in a second is; the others are counted.</summary>
    public bool Tells(long nowMs)
    {
        var toldAt = Interlocked.Read(ref _toldAt);
        return (toldAt == long.MinValue || nowMs - toldAt >= 1_000) && Interlocked.CompareExchange(ref _toldAt, nowMs, toldAt) == toldAt;
    }

    /// <summary>Ends all that are under way.</summary>
    public void EndAll()
    {
        ServerHandshake[] active;
        lock (_lock)
            active = [.. _active];
        foreach (var handshake in active)
            handshake.End();
    }

    private void Forget(ServerHandshake handshake)
    {
        lock (_lock)
            _active.Remove(handshake);
    }
}
