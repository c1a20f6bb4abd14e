using System.Runtime.InteropServices;

namespace Malha.Proxy;

/// <summary>Seeds from the operating system.</summary>
internal static class Entropy
{
    /// <summary>64 bits that nobody can guess.</summary>
    /// <remarks>A random GUID's, since RandomNumberGenerator would load the whole of OpenSSL: 5 MB and some of the start that a gateway without TLS need not pay.
    /// Its six fixed bits are covered by random ones of the other half.</remarks>
    public static ulong NextSeed()
    {
        var id = Guid.NewGuid();
        var halves = MemoryMarshal.Cast<Guid, ulong>(new ReadOnlySpan<Guid>(in id));
        return halves[0] ^ ulong.RotateLeft(halves[1], 20);
    }
}
