using System.Security.Cryptography;
using System.Text;

namespace Malha.Delivery.Operations;

/// <summary>
/// Encrypts the credentials of a kept request with AES-256-GCM. Each operation has a key of its own, derived (HKDF-SHA-256) from the configured one and its id, so that chance
/// nonces never meet however many are sealed; id and owner are authenticated, so that a seal moved to another operation does not open. The first key seals, any opens: a new
/// key goes in front of the old ones.
/// </summary>
internal sealed class CredentialSeal(IReadOnlyList<byte[]> keys, RandomNumberGenerator chance)
{
    public const int KeyBytes = 32;

    private const byte Version = 1;
    private const int NameBytes = 4;
    private const int NonceBytes = 12;
    private const int TagBytes = 16;
    private const int HeaderTag = 1;
    private const int Overhead = 1 + NameBytes + NonceBytes + TagBytes;

    /// <summary>Empty without a key: then credentials are not kept at all.</summary>
    public byte[] Seal(IReadOnlyList<HeaderField> credentials, OperationId id, string owner)
    {
        if (keys.Count == 0 || credentials.Count == 0)
            return [];

        var fields = new FieldWriter();
        fields.Begin(Version);
        foreach (var header in credentials)
            fields.Header(HeaderTag, header);

        var sealedBytes = new byte[Overhead + fields.Written.Length];
        var rest = sealedBytes.AsSpan();
        rest[0] = Version;
        Name(keys[0]).CopyTo(rest[1..]);
        var nonce = rest.Slice(1 + NameBytes, NonceBytes);
        chance.GetBytes(nonce);
        using var aes = new AesGcm(KeyFor(keys[0], id), TagBytes);
        aes.Encrypt(nonce, fields.Written, rest[Overhead..], rest.Slice(1 + NameBytes + NonceBytes, TagBytes), Bound(id, owner));
        return sealedBytes;
    }

    /// <summary>Null: sealed with a key that is not configured any more, for another operation, or damaged.</summary>
    public IReadOnlyList<HeaderField>? Open(ReadOnlySpan<byte> sealedBytes, OperationId id, string owner)
    {
        if (sealedBytes.IsEmpty)
            return [];
        if (sealedBytes.Length < Overhead || sealedBytes[0] != Version)
            return null;

        foreach (var key in keys)
        {
            if (Name(key).AsSpan().SequenceEqual(sealedBytes.Slice(1, NameBytes)) && TryOpen(key, sealedBytes, id, owner) is { } headers)
                return headers;
        }
        return null;
    }

    private static List<HeaderField>? TryOpen(byte[] key, ReadOnlySpan<byte> sealedBytes, OperationId id, string owner)
    {
        var plain = new byte[sealedBytes.Length - Overhead];
        try
        {
            using var aes = new AesGcm(KeyFor(key, id), TagBytes);
            aes.Decrypt(
                sealedBytes.Slice(1 + NameBytes, NonceBytes), sealedBytes[Overhead..], sealedBytes.Slice(1 + NameBytes + NonceBytes, TagBytes), plain, Bound(id, owner));
        }
        catch (AuthenticationTagMismatchException)
        {
            return null;
        }
        var headers = new List<HeaderField>();
        var fields = new FieldReader(plain);
        while (fields.Next())
        {
            if (fields.Tag == HeaderTag)
                headers.Add(fields.Header());
        }
        CryptographicOperations.ZeroMemory(plain);
        return headers;
    }

    private static byte[] KeyFor(byte[] key, OperationId id) =>
        HKDF.DeriveKey(HashAlgorithmName.SHA256, key, KeyBytes, salt: id.ToArray(), info: "malha credential"u8.ToArray());

    private static byte[] Name(byte[] key) => SHA256.HashData([.. "malha key name"u8, .. key])[..NameBytes];

    private static byte[] Bound(OperationId id, string owner) => [.. id.ToArray(), .. Encoding.UTF8.GetBytes(owner)];
}
