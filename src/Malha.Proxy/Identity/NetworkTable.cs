using System.Net;

namespace Malha.Proxy.Identity;

/// <summary>
/// Which of many networks an address lies in: one look-up by hash for each prefix length that occurs. Networks have owners, and of several that
/// hold an address the lowest owner's is found.
/// </summary>
internal sealed class NetworkTable
{
    private readonly Length[] _lengths;

    public NetworkTable(IEnumerable<(IPNetwork Network, int Owner)> networks) =>
        _lengths = [.. networks.Select(one => (Prefix: PrefixOf(one.Network), one.Owner)).GroupBy(one => (one.Prefix.Length, one.Prefix.IsV4))
            .Select(group => new Length(group.Key.IsV4, MaskOf(group.Key.Length), group
                .GroupBy(one => one.Prefix.Bits).ToDictionary(same => same.Key, same => same.Min(one => one.Owner))))];

    public NetworkTable(IEnumerable<IPNetwork> networks)
        : this(networks.Select(network => (network, 0)))
    {
    }

    public bool IsEmpty => _lengths.Length == 0;

    /// <summary>The owner; -1 when no network holds the address.</summary>
    public int Find(Ip ip)
    {
        var found = -1;
        foreach (ref readonly var length in _lengths.AsSpan())
        {
            if (length.IsV4 == ip.IsV4 && length.Owners.TryGetValue(ip.Bits & length.Mask, out var owner) && (found < 0 || owner < found))
                found = owner;
        }
        return found;
    }

    public bool Contains(Ip ip) => Find(ip) >= 0;

    private static UInt128 MaskOf(int length) => length == 0 ? 0 : UInt128.MaxValue << (128 - length);

    // An IPv6 network holds IPv4 addresses only if it is written in their mapped form.
    private static (int Length, bool IsV4, UInt128 Bits) PrefixOf(IPNetwork network)
    {
        var ip = Ip.Of(network.BaseAddress);
        var length = network.BaseAddress.AddressFamily == System.Net.Sockets.AddressFamily.InterNetwork ? Ip.MappedPrefix + network.PrefixLength : network.PrefixLength;
        return (length, ip.IsV4 && length >= Ip.MappedPrefix, ip.Bits & MaskOf(length));
    }

    private readonly record struct Length(bool IsV4, UInt128 Mask, Dictionary<UInt128, int> Owners);
}
