using Malha.Configuration.Reading;

namespace Malha.Configuration.Validation;

/// <summary>What of the durable lane no value says alone.</summary>
internal static class DeliveryRules
{
    /// <summary>A key of less chance can be guessed from one sealed credential.</summary>
    private const int KeyLength = 32;

    public static void Check(MalhaConfig config, ErrorList errors)
    {
        if (config.Delivery is not { } delivery || delivery.Source.IsBroken)
            return;
        foreach (var key in delivery.CredentialKeys.Where(key => key.Reveal().Length < KeyLength))
            errors.Add(delivery.Source.Of("credentialKeys"), $"the key from {key.Origin} has less than {KeyLength} characters; make one with: openssl rand -base64 32");
    }
}
