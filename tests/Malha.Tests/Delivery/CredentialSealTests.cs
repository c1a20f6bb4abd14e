using System.Security.Cryptography;
using System.Text;
using Malha.Delivery.Operations;

namespace Malha.Tests.Delivery;

public sealed class CredentialSealTests
{
    private static readonly RandomNumberGenerator Chance = RandomNumberGenerator.Create();
    private static readonly OperationId Id = OperationId.New(DateTimeOffset.UnixEpoch.AddDays(20_000), Chance);
    private static readonly HeaderField[] Credentials = [new("Authorization", "Bearer a-secret-that-nobody-reads"), new("Cookie", "session=1")];

    private readonly byte[] _key = Key(1);

    [Fact]
    public void What_was_sealed_opens_for_the_same_operation_and_owner() =>
        Assert.Equal(Credentials, Seal(_key).Open(Seal(_key).Seal(Credentials, Id, "client:a"), Id, "client:a"));

    [Fact]
    public void Nothing_of_it_can_be_read() =>
        Assert.DoesNotContain("secret", Encoding.Latin1.GetString(Seal(_key).Seal(Credentials, Id, "client:a")), StringComparison.Ordinal);

    [Fact]
    public void It_opens_for_no_other_operation_owner_or_key()
    {
        var bytes = Seal(_key).Seal(Credentials, Id, "client:a");
        Assert.Null(Seal(_key).Open(bytes, new OperationId(Id.Value + 1), "client:a"));
        Assert.Null(Seal(_key).Open(bytes, Id, "client:b"));
        Assert.Null(Seal(Key(2)).Open(bytes, Id, "client:a"));
    }

    [Fact]
    public void A_new_key_in_front_seals_and_the_old_one_still_opens()
    {
        var rotated = new CredentialSeal([Key(2), _key], Chance);
        Assert.Equal(Credentials, rotated.Open(Seal(_key).Seal(Credentials, Id, "client:a"), Id, "client:a"));
        Assert.Equal(Credentials, Seal(Key(2)).Open(rotated.Seal(Credentials, Id, "client:a"), Id, "client:a"));
    }

    [Fact]
    public void A_changed_byte_anywhere_does_not_open()
    {
        var bytes = Seal(_key).Seal(Credentials, Id, "client:a");
        for (var at = 0; at < bytes.Length; at++)
        {
            bytes[at] ^= 1;
            Assert.Null(Seal(_key).Open(bytes, Id, "client:a"));
            Assert.Null(Seal(_key).Open(bytes.AsSpan(0, at + (at == 0 ? 1 : 0)), Id, "client:a"));
            bytes[at] ^= 1;
        }
    }

    [Fact]
    public void Without_a_key_credentials_are_not_kept() => Assert.Empty(new CredentialSeal([], Chance).Seal(Credentials, Id, "client:a"));

    private static CredentialSeal Seal(byte[] key) => new([key], Chance);

    private static byte[] Key(byte value) => [.. Enumerable.Repeat(value, CredentialSeal.KeyBytes)];
}
