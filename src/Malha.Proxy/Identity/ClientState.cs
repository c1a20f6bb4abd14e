using Malha.Proxy.Telemetry.Metrics;

namespace Malha.Proxy.Identity;

/// <summary>What is counted of one client; it outlives reloads that keep its name.</summary>
internal sealed class ClientState
{
    private const int RequestsAt = 0;
    private const int RateLimitedAt = 1;
    private const int ForbiddenAt = 2;
    private const int UnauthenticatedAt = 3;

    private readonly StripedCounters _counters = new(4);

    /// <summary>All requests, refused ones included.</summary>
    public long Requests => _counters.Read(RequestsAt);

    public long RateLimited => _counters.Read(RateLimitedAt);

    public long Forbidden => _counters.Read(ForbiddenAt);

    public long Unauthenticated => _counters.Read(UnauthenticatedAt);

    public void Count(RefusalKind refusal)
    {
        _counters.Add(RequestsAt, 1);
        if (refusal == RefusalKind.RateLimited)
            _counters.Add(RateLimitedAt, 1);
        else if (refusal == RefusalKind.Forbidden)
            _counters.Add(ForbiddenAt, 1);
        else if (refusal == RefusalKind.Unauthenticated)
            _counters.Add(UnauthenticatedAt, 1);
    }
}
