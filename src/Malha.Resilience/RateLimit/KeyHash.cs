using System.Buffers.Binary;
using System.Numerics;

namespace Malha.Resilience;

/// <summary>
/// SipHash-1-3 (Aumasson and Bernstein 2012; the variant that Rust and Ruby use for their tables): 64 bits under a secret, so that nobody can choose a
/// name that shares somebody else's bucket.
/// </summary>
public readonly struct KeyHash(ulong secret0, ulong secret1)
{
    /// <summary>The hash of a key, told apart by <paramref name="space"/>: which limit it is for.</summary>
    public ulong Of(ReadOnlySpan<byte> key, int space = 0)
    {
        var v0 = secret0 ^ 0x736f6d6570736575UL;
        var v1 = secret1 ^ 0x646f72616e646f6dUL ^ ((ulong)(uint)space << 32);
        var v2 = secret0 ^ 0x6c7967656e657261UL;
        var v3 = secret1 ^ 0x7465646279746573UL;
        var rest = key;
        for (; rest.Length >= 8; rest = rest[8..])
            Absorb(ref v0, ref v1, ref v2, ref v3, BinaryPrimitives.ReadUInt64LittleEndian(rest));

        var last = (ulong)key.Length << 56;
        for (var i = 0; i < rest.Length; i++)
            last |= (ulong)rest[i] << (8 * i);
        Absorb(ref v0, ref v1, ref v2, ref v3, last);

        v2 ^= 0xff;
        for (var i = 0; i < 3; i++)
            Round(ref v0, ref v1, ref v2, ref v3);
        return v0 ^ v1 ^ v2 ^ v3;
    }

    private static void Absorb(ref ulong v0, ref ulong v1, ref ulong v2, ref ulong v3, ulong word)
    {
        v3 ^= word;
        Round(ref v0, ref v1, ref v2, ref v3);
        v0 ^= word;
    }

    private static void Round(ref ulong v0, ref ulong v1, ref ulong v2, ref ulong v3)
    {
        v0 += v1;
        v1 = BitOperations.RotateLeft(v1, 13) ^ v0;
        v0 = BitOperations.RotateLeft(v0, 32);
        v2 += v3;
        v3 = BitOperations.RotateLeft(v3, 16) ^ v2;
        v0 += v3;
        v3 = BitOperations.RotateLeft(v3, 21) ^ v0;
        v2 += v1;
        v1 = BitOperations.RotateLeft(v1, 17) ^ v2;
        v2 = BitOperations.RotateLeft(v2, 32);
    }
}
