using System.Security.Cryptography;
using System.Text;

namespace Malha.Delivery.Operations;

/// <summary>
/// What tells a repeated call from a new one: who called with which Idempotency-Key, and what it sent. Both are hashes: a key of any length takes 32 bytes, and neither
/// client nor payload can be read from the log.
/// </summary>
internal sealed record Deduplication
{
    public const int Length = 2 * SHA256.HashSizeInBytes;

    private readonly byte[] _bytes;

    private Deduplication(byte[] bytes) => _bytes = bytes;

    /// <summary>Who and which key.</summary>
    public ReadOnlyMemory<byte> Caller => _bytes.AsMemory(0, SHA256.HashSizeInBytes);

    /// <summary>What was sent: method, target and body.</summary>
    public ReadOnlyMemory<byte> Payload => _bytes.AsMemory(SHA256.HashSizeInBytes);

    public ReadOnlySpan<byte> Bytes => _bytes;

    public static Deduplication Of(string owner, string idempotencyKey, string method, string target, ReadOnlySpan<byte> body)
    {
        var bytes = new byte[Length];
        Hash(bytes, owner, idempotencyKey, []);
        Hash(bytes.AsSpan(SHA256.HashSizeInBytes), method, target, body);
        return new Deduplication(bytes);
    }

    public static Deduplication? Read(ReadOnlySpan<byte> bytes) => bytes.Length == Length ? new Deduplication(bytes.ToArray()) : null;

    public bool Equals(Deduplication? other) => other is not null && _bytes.AsSpan().SequenceEqual(other._bytes);

    public override int GetHashCode() => BitConverter.ToInt32(_bytes);

    // Lengths go in too: otherwise "ab" + "c" and "a" + "bc" are one caller.
    private static void Hash(Span<byte> destination, string first, string second, ReadOnlySpan<byte> rest)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        foreach (var text in (ReadOnlySpan<string>)[first, second])
        {
            var bytes = Encoding.UTF8.GetBytes(text);
            hash.AppendData(BitConverter.GetBytes(bytes.Length));
            hash.AppendData(bytes);
        }
        hash.AppendData(rest);
        hash.GetHashAndReset(destination);
    }
}
