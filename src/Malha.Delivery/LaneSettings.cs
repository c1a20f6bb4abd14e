using System.Security.Cryptography;
using System.Text;
using Malha.Configuration;
using Malha.Delivery.Operations;

namespace Malha.Delivery;

/// <summary>The lane's keys as they are in force, with what is made of them once.</summary>
internal sealed class LaneSettings(DeliveryConfig config)
{
    public DeliveryConfig Config { get; } = config;

    /// <summary>The configured text may have any length: its hash is the key.</summary>
    public CredentialSeal Seal { get; } =
        new([.. config.CredentialKeys.Select(key => SHA256.HashData(Encoding.UTF8.GetBytes(key.Reveal())))], RandomNumberGenerator.Create());

    public string MaxBodyRule { get; } = config.Source.Of("maxBody").Path;

    public DateTimeOffset ForgetAt(DateTimeOffset ended, bool isDead) => ended + (isDead ? Config.DeadLetterRetention : Config.Retention);
}
