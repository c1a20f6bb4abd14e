namespace Malha.Proxy.Balancing;

/// <summary>
/// The endpoints that an exchange has tried, by index. With more than 64 of them each bit stands for several: then some are passed over that were
/// not tried, of which there are plenty.
/// </summary>
internal readonly record struct TriedEndpoints(ulong Bits)
{
    public bool IsEmpty => Bits == 0;

    public TriedEndpoints With(int index) => new(Bits | Bit(index));

    public bool Contains(int index) => (Bits & Bit(index)) != 0;

    private static ulong Bit(int index) => 1UL << (index & 63);
}
