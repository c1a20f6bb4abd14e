using System.Globalization;
using System.Security.Cryptography;
using System.Text;

namespace Malha.Delivery.Callbacks;

/// <summary>Signs as Standard Webhooks says: HMAC-SHA-256 of <c>id.timestamp.payload</c>, in base64, behind <c>v1,</c>.</summary>
internal static class WebhookSignature
{
    /// <param name="keys">Each signs; a receiver takes a message that one of them has signed.</param>
    /// <param name="id">The message's name, without a dot.</param>
    /// <param name="timestamp">Seconds since 1970, of this attempt.</param>
    /// <param name="payload">What is sent, byte by byte.</param>
    /// <returns>The signatures, a space between them.</returns>
    public static string Of(IEnumerable<byte[]> keys, string id, long timestamp, ReadOnlySpan<byte> payload)
    {
        byte[] signed = [.. Encoding.UTF8.GetBytes(string.Create(CultureInfo.InvariantCulture, $"{id}.{timestamp}.")), .. payload];
        return string.Join(' ', keys.Select(key => "v1," + Convert.ToBase64String(HMACSHA256.HashData(key, signed))));
    }
}
