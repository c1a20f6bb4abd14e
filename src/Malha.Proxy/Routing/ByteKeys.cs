using System.Runtime.InteropServices;
using System.Text;

namespace Malha.Proxy.Routing;

/// <summary>
/// Compares keys of bytes, and looks up with bytes that lie in a request's buffer. The hash has a random seed for each process, and nothing that a
/// client sends is ever put into a table: a client can neither fill a bucket nor aim at one.
/// </summary>
internal sealed class ByteKeys : IEqualityComparer<byte[]>, IAlternateEqualityComparer<ReadOnlySpan<byte>, byte[]>
{
    public static readonly ByteKeys Exact = new(ignoreCase: false);

    public static readonly ByteKeys IgnoreCase = new(ignoreCase: true);

    private readonly bool _ignoreCase;

    private ByteKeys(bool ignoreCase) => _ignoreCase = ignoreCase;

    public bool Equals(ReadOnlySpan<byte> alternate, byte[] other) =>
        _ignoreCase ? Ascii.EqualsIgnoreCase(alternate, other) : alternate.SequenceEqual(other);

    public int GetHashCode(ReadOnlySpan<byte> alternate)
    {
        // 0x20 in every byte folds the letters together; what else falls together differs in Equals.
        var fold = _ignoreCase ? 0x20202020u : 0;
        var hash = new HashCode();
        foreach (var four in MemoryMarshal.Cast<byte, uint>(alternate))
            hash.Add(four | fold);
        var rest = (uint)alternate.Length;
        foreach (var value in alternate[(alternate.Length & ~3)..])
            rest = (rest << 8) | value | (fold & 0xFF);
        hash.Add(rest);
        return hash.ToHashCode();
    }

    public byte[] Create(ReadOnlySpan<byte> alternate) => alternate.ToArray();

    public bool Equals(byte[]? x, byte[]? y) => x is null ? y is null : y is not null && Equals(x.AsSpan(), y);

    public int GetHashCode(byte[] obj) => GetHashCode(obj.AsSpan());
}
