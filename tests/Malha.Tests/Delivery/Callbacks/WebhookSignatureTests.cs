using System.Security.Cryptography;
using System.Text;
using Malha.Configuration;
using Malha.Delivery.Callbacks;

namespace Malha.Tests.Delivery.Callbacks;

public sealed class WebhookSignatureTests
{
    [Fact]
    public void The_published_example_of_Standard_Webhooks_is_signed_as_published()
    {
        Assert.True(WebhookSecret.TryRead("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", out var key));
        Assert.Equal("v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
            WebhookSignature.Of([key], "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, """{"test": 2432232314}"""u8));
    }

    [Fact]
    public void Each_secret_signs()
    {
        byte[][] keys = [RandomNumberGenerator.GetBytes(24), RandomNumberGenerator.GetBytes(64)];
        var expected = keys.Select(key =>
        {
            using var hmac = IncrementalHash.CreateHMAC(HashAlgorithmName.SHA256, key);
            hmac.AppendData(Encoding.ASCII.GetBytes("op_1.17.{}"));
            return "v1," + Convert.ToBase64String(hmac.GetHashAndReset());
        });
        Assert.Equal(string.Join(' ', expected), WebhookSignature.Of(keys, "op_1", 17, "{}"u8));
    }

    [Theory]
    [InlineData("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")]
    [InlineData("whsec_")]
    [InlineData("whsec_c2hvcnQ=")]
    [InlineData("whsec_not base64 at all, and not short")]
    public void What_is_no_secret_is_not_read(string text) => Assert.False(WebhookSecret.TryRead(text, out _));
}
