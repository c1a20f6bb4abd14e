using System.Security.Cryptography;

namespace Malha.IntegrationTests.Traffic.Support;

/// <summary>Bytes that look random and come from a seed (xorshift64), so that a lost, doubled or moved piece changes the hash.</summary>
internal sealed class BodyPattern(ulong seed)
{
    private ulong _state = seed * 0x9E3779B97F4A7C15 | 1;

    public static byte[] Bytes(ulong seed, int count)
    {
        var bytes = new byte[count];
        new BodyPattern(seed).Fill(bytes);
        return bytes;
    }

    public static string HashOf(ReadOnlySpan<byte> bytes) => Convert.ToHexStringLower(SHA256.HashData(bytes));

    public void Fill(Span<byte> bytes)
    {
        for (var at = 0; at < bytes.Length; at += 8)
        {
            _state ^= _state << 13;
            _state ^= _state >> 7;
            _state ^= _state << 17;
            var word = _state;
            for (var place = at; place < Math.Min(at + 8, bytes.Length); place++, word >>= 8)
                bytes[place] = (byte)word;
        }
    }

    /// <summary>Sends so many bytes in pieces of various sizes, the last one not before <paramref name="beforeLast"/>; the hash of all.</summary>
    public async Task<string> SendAsync(Peer peer, long count, bool chunked, Task? beforeLast = null)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        var piece = new byte[64 * 1024];
        var size = 1;
        for (var left = count; left > 0; left -= size)
        {
            size = (int)Math.Min(left, size * 7 % piece.Length + 1);
            size = left > 1_000_000 ? piece.Length : size;
            if (size == left && beforeLast is not null)
                await beforeLast;
            Fill(piece.AsSpan(0, size));
            hash.AppendData(piece, 0, size);
            if (chunked)
                await peer.SendAsync($"{size:x}\r\n");
            await peer.SendAsync(piece.AsMemory(0, size));
            if (chunked)
                await peer.SendAsync("\r\n");
        }
        if (chunked)
            await peer.SendAsync("0\r\n\r\n");
        return Convert.ToHexStringLower(hash.GetHashAndReset());
    }
}
