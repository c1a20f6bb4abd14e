using Malha.Configuration;

namespace Malha.Proxy.Balancing;

/// <summary>
/// Chooses one endpoint of a service for an attempt. Endpoints are known by their index; one whose weight is 0 gets nothing. Choosing allocates nothing.
/// </summary>
internal abstract class Balancer(EndpointLoad[] endpoints)
{
    /// <summary>What <see cref="Choose"/> answers when no endpoint may be used.</summary>
    public const int None = -1;

    protected ReadOnlySpan<EndpointLoad> Endpoints => endpoints;

    public static Balancer Of(BalanceKind kind, EndpointLoad[] endpoints, RingMember[] members) => kind switch
    {
        BalanceKind.RoundRobin => new RoundRobin(endpoints),
        BalanceKind.ConsistentHash => new ConsistentHash(endpoints, members),
        _ => new PowerOfTwoChoices(endpoints),
    };

    /// <summary>The index of an endpoint, or <see cref="None"/>.</summary>
    /// <param name="nowMs">The time, on the clock that the loads are kept with.</param>
    /// <param name="random">The caller's own source.</param>
    /// <param name="tried">Passed over while there is another; whoever does not want to go back looks whether the result is among them.</param>
    /// <param name="key">What the request has in common with those that are to go to the same endpoint; chance when there is nothing.</param>
    public int Choose(long nowMs, ref Xorshift random, TriedEndpoints tried = default, ulong key = 0)
    {
        if (endpoints.Length <= 1)
            return endpoints.Length == 1 && endpoints[0].Weight > 0 ? 0 : None;
        var choice = Pick(nowMs, ref random, tried, key);
        return choice == None && !tried.IsEmpty ? Pick(nowMs, ref random, default, key) : choice;
    }

    protected abstract int Pick(long nowMs, ref Xorshift random, TriedEndpoints tried, ulong key);
}
