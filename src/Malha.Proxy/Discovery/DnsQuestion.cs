using Malha.Configuration;

namespace Malha.Proxy.Discovery;

/// <summary>What DNS is asked.</summary>
/// <param name="Name">In lower case.</param>
/// <param name="Kind">Addresses, or services with ports.</param>
internal readonly record struct DnsQuestion(string Name, EndpointDiscovery Kind)
{
    public static DnsQuestion Of(EndpointConfig endpoint) => new(endpoint.Url.Host, endpoint.Discovery);

    public override string ToString() => $"{(Kind == EndpointDiscovery.Services ? "srv" : "dns")}://{Name}";
}

/// <summary>One endpoint that DNS has given.</summary>
/// <param name="Address">As text; an IPv6 address without brackets.</param>
/// <param name="Port">Of a service; 0: the one that the file says.</param>
/// <param name="Weight">Relative to the others of the same answer, from 1.</param>
internal readonly record struct DnsTarget(string Address, int Port, int Weight);

/// <summary>What came of asking.</summary>
/// <param name="Targets">In a fixed order; empty when there is a problem.</param>
/// <param name="Ttl">How long the answer holds.</param>
/// <param name="Problem">Why there is no answer; null when there is one.</param>
internal sealed record DnsAnswer(DnsTarget[] Targets, TimeSpan Ttl, string? Problem = null)
{
    public static DnsAnswer Failed(string problem) => new([], TimeSpan.Zero, problem);
}
