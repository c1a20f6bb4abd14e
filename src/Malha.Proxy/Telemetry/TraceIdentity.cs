using System.Buffers.Binary;
using System.Numerics;
using System.Runtime.InteropServices;
using Malha.Proxy.Http1;

namespace Malha.Proxy.Telemetry;

/// <summary>
/// The ids of an exchange: its request id, and the W3C trace context (traceparent, version 00) that it continues or begins.
/// </summary>
internal sealed class TraceIdentity(ulong seed)
{
    private const int ParentLength = 55;
    private readonly byte[] _parent = new byte[ParentLength];
    private readonly byte[] _requestId = new byte[32];
    private ulong _s0 = seed | 1;
    private ulong _s1 = BitOperations.RotateLeft(seed, 31) ^ 0x9E3779B97F4A7C15;

    /// <summary>Whether the caller's trace is continued: only then does its tracestate mean anything.</summary>
    public bool IsContinued { get; private set; }

    /// <summary>The traceparent for the next hop.</summary>
    public ReadOnlySpan<byte> Parent => _parent;

    public ReadOnlySpan<byte> TraceId => _parent.AsSpan(3, 32);

    public ReadOnlySpan<byte> SpanId => _parent.AsSpan(36, 16);

    /// <summary>32 random bits of the exchange's own, whatever its caller says: they decide whether it is in a sample.</summary>
    public uint Sample { get; private set; }

    /// <summary>32 hexadecimal digits; the address of a decision.</summary>
    public ReadOnlySpan<byte> RequestId => _requestId;

    /// <summary>Whether its spans are kept and sent: then each attempt has a span of its own.</summary>
    public bool IsRecorded { get; private set; }

    /// <summary>Decides whether its spans are kept: as its caller has, otherwise by chance; and tells the next hop.</summary>
    /// <param name="threshold">Of 2^32 random numbers, how many are.</param>
    public void Decide(ulong threshold)
    {
        // The lowest bit of the flags, whose last digit is hexadecimal.
        IsRecorded = IsContinued ? (HttpSyntax.HexDigit(_parent[54]) & 1) != 0 : Sample < threshold;
        if (!IsContinued && IsRecorded)
            "01"u8.CopyTo(_parent.AsSpan(53));
    }

    /// <summary>An id for a span below this one's.</summary>
    public ulong NextSpan()
    {
        ulong id;
        do
            id = Next();
        while (id == 0);
        return id;
    }

    public void Begin(RequestHead request)
    {
        IsRecorded = false;
        Span<ulong> random = [Next(), Next(), Next()];
        Sample = (uint)(random[1] >> 32);
        var bytes = MemoryMarshal.AsBytes(random);
        Hex(bytes[..16], _requestId);
        "00-"u8.CopyTo(_parent);
        _parent[35] = (byte)'-';
        Hex(bytes[16..], _parent.AsSpan(36));

        var received = request.Has(KnownHeader.TraceParent) ? request.Value(KnownHeader.TraceParent) : default;
        IsContinued = IsValid(received);
        if (IsContinued)
        {
            received.Slice(3, 32).CopyTo(_parent.AsSpan(3));
            received[52..55].CopyTo(_parent.AsSpan(52));
        }
        else
        {
            // Not sampled: whether to record is the choice of whoever records.
            _requestId.CopyTo(_parent.AsSpan(3));
            "-00"u8.CopyTo(_parent.AsSpan(52));
        }
    }

    /// <summary>Puts another span's id into a traceparent.</summary>
    public static void WriteSpan(ulong spanId, Span<byte> parent)
    {
        Span<byte> bytes = stackalloc byte[sizeof(ulong)];
        BinaryPrimitives.WriteUInt64BigEndian(bytes, spanId);
        Hex(bytes, parent[36..52]);
    }

    private static bool IsValid(ReadOnlySpan<byte> parent)
    {
        if (parent.Length < ParentLength || parent[2] != (byte)'-' || parent[35] != (byte)'-' || parent[52] != (byte)'-')
            return false;
        // Version ff is forbidden; a later version may be longer, and begins alike.
        if (!IsHex(parent[..2]) || parent[..2].SequenceEqual("ff"u8) || (parent.Length > ParentLength && (parent[..2].SequenceEqual("00"u8) || parent[55] != (byte)'-')))
            return false;
        return IsHex(parent.Slice(3, 32)) && IsHex(parent.Slice(36, 16)) && IsHex(parent.Slice(53, 2))
            && parent.Slice(3, 32).ContainsAnyExcept((byte)'0') && parent.Slice(36, 16).ContainsAnyExcept((byte)'0');
    }

    private static bool IsHex(ReadOnlySpan<byte> bytes)
    {
        foreach (var value in bytes)
        {
            if (value is not ((>= (byte)'0' and <= (byte)'9') or (>= (byte)'a' and <= (byte)'f')))
                return false;
        }
        return true;
    }

    private static void Hex(ReadOnlySpan<byte> bytes, Span<byte> text) => Convert.TryToHexStringLower(bytes, text, out _);

    // xoroshiro128+: ids must not collide, they need not be secret.
    private ulong Next()
    {
        var s0 = _s0;
        var s1 = _s1;
        var result = s0 + s1;
        s1 ^= s0;
        _s0 = BitOperations.RotateLeft(s0, 24) ^ s1 ^ (s1 << 16);
        _s1 = BitOperations.RotateLeft(s1, 37);
        return result;
    }
}
