using System.Buffers.Binary;

namespace Malha.Proxy.Tls;

/// <summary>What a client's first record says of the versions that it speaks. .NET 10's SslStream does not tell of TLS 1.3.</summary>
internal static class ClientHello
{
    private const byte HandshakeRecord = 22;
    private const byte Hello = 1;
    private const ushort SupportedVersions = 43;
    private const ushort Tls13 = 0x0304;

    /// <summary>Whether it offers TLS 1.3 (RFC 8446, 4.2.1). A hello that is cut over several records, or cannot be read, offers nothing here.</summary>
    public static bool OffersTls13(ReadOnlySpan<byte> record)
    {
        // Record header, handshake header, version and random.
        if (!TrySkip(ref record, 5, out var header) || header[0] != HandshakeRecord || !TrySkip(ref record, 4, out var message) || message[0] != Hello)
            return false;
        if (!TrySkip(ref record, 2 + 32, out _) || !TryTake8(ref record, out _) || !TryTake16(ref record, out _) || !TryTake8(ref record, out _)
            || !TryTake16(ref record, out var extensions))
        {
            return false;
        }
        while (TrySkip(ref extensions, 2, out var type) && TryTake16(ref extensions, out var content))
        {
            if (BinaryPrimitives.ReadUInt16BigEndian(type) != SupportedVersions)
                continue;
            if (!TryTake8(ref content, out var versions))
                return false;
            while (TrySkip(ref versions, 2, out var version))
            {
                if (BinaryPrimitives.ReadUInt16BigEndian(version) == Tls13)
                    return true;
            }
            return false;
        }
        return false;
    }

    private static bool TryTake8(ref ReadOnlySpan<byte> rest, out ReadOnlySpan<byte> taken)
    {
        taken = default;
        return TrySkip(ref rest, 1, out var length) && TrySkip(ref rest, length[0], out taken);
    }

    private static bool TryTake16(ref ReadOnlySpan<byte> rest, out ReadOnlySpan<byte> taken)
    {
        taken = default;
        return TrySkip(ref rest, 2, out var length) && TrySkip(ref rest, BinaryPrimitives.ReadUInt16BigEndian(length), out taken);
    }

    private static bool TrySkip(ref ReadOnlySpan<byte> rest, int count, out ReadOnlySpan<byte> taken)
    {
        if (rest.Length < count)
        {
            taken = default;
            return false;
        }
        taken = rest[..count];
        rest = rest[count..];
        return true;
    }
}
