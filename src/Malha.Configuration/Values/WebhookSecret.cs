namespace Malha.Configuration;

/// <summary>A signing secret as Standard Webhooks writes it: <c>whsec_</c> and 24 to 64 bytes in base64.</summary>
public static class WebhookSecret
{
    private const string Prefix = "whsec_";
    private const int Shortest = 24;
    private const int Longest = 64;

    /// <summary>The key that it stands for. False: it is not written so.</summary>
    public static bool TryRead(string text, out byte[] key)
    {
        ArgumentNullException.ThrowIfNull(text);
        key = [];
        var bytes = new byte[text.Length];
        if (!text.StartsWith(Prefix, StringComparison.Ordinal) || !Convert.TryFromBase64String(text[Prefix.Length..], bytes, out var length) || length is < Shortest or > Longest)
            return false;
        key = bytes[..length];
        return true;
    }
}
