using Malha.Proxy.RateLimiting;
using Malha.Proxy.Tls;

namespace Malha.Proxy.Identity;

/// <summary>Who sends an exchange's request, and what that entails. It belongs to the exchange and is used again with it.</summary>
internal sealed class Caller
{
    /// <summary>The first of the file's clients that takes the request; null when none does.</summary>
    public ClientModel? Client { get; set; }

    /// <summary>Whom its certificate names, verified by the listener; null when none was shown. It is the connection's: a proxy in front shows its own.</summary>
    public PeerIdentity? Identity { get; set; }

    /// <summary>The client's address, behind the proxies that the listener trusts.</summary>
    public Ip Address { get; set; }

    /// <summary>Whether it is certain; else it is that of the nearest proxy, which does not say clearly whom it speaks for.</summary>
    public bool AddressIsCertain { get; set; }

    /// <summary>The index of the class that its request counts for; 0 when there are no classes.</summary>
    public int ShareClass { get; set; }

    /// <summary>The time that a trusted Malha before this one has left for the request; null when none says.</summary>
    public TimeSpan? RemainingTimeout { get; set; }

    /// <summary>Which attempt it is for a trusted Malha before this one; 1 when none says.</summary>
    public int InboundAttempt { get; set; } = 1;

    /// <summary>The limits that were asked; null when there are none.</summary>
    public LimitSet? Limits { get; set; }

    /// <summary>Of these the tightest, or the one that refused.</summary>
    public LimitModel? Limit { get; set; }

    /// <summary>Requests that could follow at once under it.</summary>
    public long Remaining { get; set; }

    /// <summary>In whole seconds, rounded up: until another request is allowed when none remains, else until all is there again.</summary>
    public long ResetSeconds { get; set; }

    /// <summary>Whether the limits have to be asked of a store that counts for several gateways.</summary>
    public bool IsLimitOwed { get; set; }

    public void Reset()
    {
        Client = null;
        Identity = null;
        Address = default;
        AddressIsCertain = false;
        ShareClass = 0;
        RemainingTimeout = null;
        InboundAttempt = 1;
        Limits = null;
        Limit = null;
        IsLimitOwed = false;
    }
}
