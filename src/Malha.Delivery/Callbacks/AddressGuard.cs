using System.Net;
using System.Net.Sockets;

namespace Malha.Delivery.Callbacks;

/// <summary>
/// Which addresses may be connected to: public ones, and those of networks that the configuration names. What is judged is the address that the connection goes to, in the form that
/// the kernel takes it, whatever a name or a number in a URL was. An IPv6 address that stands for an IPv4 one (mapped, or of NAT64) is judged as that.
/// </summary>
internal static class AddressGuard
{
    // IANA's special-purpose registry for IPv4, multicast, what is reserved, and the address at which Azure serves its machines, public though it looks.
    private static readonly IPNetwork[] Refused4 = Networks(
        "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24", "192.0.2.0/24", "192.31.196.0/24", "192.52.193.0/24",
        "192.88.99.0/24", "192.168.0.0/16", "192.175.48.0/24", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4", "168.63.129.16/32");

    // Everything public is in 2000::/3; of that not: protocol assignments with Teredo, documentation, and 6to4, which carries any IPv4 address inside.
    private static readonly IPNetwork Global6 = IPNetwork.Parse("2000::/3");
    private static readonly IPNetwork[] Refused6 = Networks("2001::/23", "2001:db8::/32", "2002::/16", "2620:4f:8000::/48", "3fff::/20");

    private static readonly IPNetwork Nat64 = IPNetwork.Parse("64:ff9b::/96");

    public static bool Allows(IPAddress address, IReadOnlyList<IPNetwork> allowed)
    {
        var plain = Plain(address);
        return IsPublic(plain) || allowed.Any(network => network.Contains(plain));
    }

    private static bool IsPublic(IPAddress address) => address.AddressFamily switch
    {
        AddressFamily.InterNetwork => !Array.Exists(Refused4, network => network.Contains(address)),
        AddressFamily.InterNetworkV6 => address.ScopeId == 0 && Global6.Contains(address) && !Array.Exists(Refused6, network => network.Contains(address)),
        _ => false,
    };

    private static IPAddress Plain(IPAddress address)
    {
        if (address.IsIPv4MappedToIPv6)
            return address.MapToIPv4();
        return address.AddressFamily == AddressFamily.InterNetworkV6 && Nat64.Contains(address) ? new IPAddress(address.GetAddressBytes().AsSpan(12)) : address;
    }

    private static IPNetwork[] Networks(params string[] networks) => [.. networks.Select(network => IPNetwork.Parse(network))];
}
