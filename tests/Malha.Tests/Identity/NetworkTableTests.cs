using System.Net;
using CsCheck;
using Malha.Proxy.Identity;

namespace Malha.Tests.Identity;

public sealed class NetworkTableTests
{
    // Few bits vary, so that networks and addresses meet.
    private static readonly Gen<IPAddress> Address = Gen.Select(Gen.Bool, Gen.Byte[0, 3], Gen.Byte[0, 3], (isV4, high, low) =>
        isV4 ? new IPAddress([10, high, 0, low]) : new IPAddress([0x20, 1, high, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, low]));

    private static readonly Gen<IPNetwork> Network = Gen.Select(Address, Gen.Int[0, 128], (address, length) =>
    {
        var bytes = address.GetAddressBytes();
        length = Math.Min(length, bytes.Length * 8);
        for (var bit = length; bit < bytes.Length * 8; bit++)
            bytes[bit / 8] &= (byte)~(0x80 >> (bit % 8));
        return new IPNetwork(new IPAddress(bytes), length);
    });

    [Fact]
    public void The_first_network_that_holds_the_address_is_found() =>
        Gen.Select(Network.Array[0, 8], Address.Array[20]).Sample(
            (networks, addresses) =>
            {
                var table = new NetworkTable(networks.Select((network, owner) => (network, owner)));
                return addresses.All(address => table.Find(Ip.Of(address)) == Array.FindIndex(networks, network => network.Contains(address)));
            },
            seed: "0N0XIzNsQ0O2",
            iter: 5_000);

    [Fact]
    public void An_IPv4_peer_of_a_listener_for_both_is_an_IPv4_address()
    {
        var table = new NetworkTable([IPNetwork.Parse("10.0.0.0/8")]);
        Assert.True(table.Contains(Ip.Of(IPAddress.Parse("::ffff:10.1.2.3"))));
        Assert.False(table.Contains(default));
        Assert.False(new NetworkTable([IPNetwork.Parse("::/0")]).Contains(Ip.Of(IPAddress.Loopback)));
    }
}
