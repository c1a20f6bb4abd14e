using Malha.Configuration.Reading;

namespace Malha.Configuration.Validation;

/// <summary>What of the durable lane no value says alone.</summary>
internal static class DeliveryRules
{
    /// <summary>A key of less chance can be guessed from one sealed credential.</summary>
    private const int KeyLength = 32;

    /// <summary>Kafka's own bound for a record, message.max.bytes, is 1 MiB; Malha's topics have twice that.</summary>
    private const long KafkaBodyBytes = 1 << 20;

    public static void Check(MalhaConfig config, ErrorList errors)
    {
        if (config.Delivery is not { } delivery || delivery.Source.IsBroken)
            return;
        Check(delivery, errors);
        foreach (var key in delivery.CredentialKeys.Where(key => key.Reveal().Length < KeyLength))
            errors.Add(delivery.Source.Of("credentialKeys"), $"the key from {key.Origin} has less than {KeyLength} characters; make one with: openssl rand -base64 32");
        foreach (var secret in (delivery.Callbacks?.Secrets ?? []).Where(secret => !WebhookSecret.TryRead(secret.Reveal(), out _)))
            errors.Add(delivery.Callbacks!.Source.Of("secrets"),
                $"the secret from {secret.Origin} is not whsec_ and 24 to 64 bytes in base64; make one with: echo whsec_$(openssl rand -base64 32)");
        foreach (var defer in config.Routes.Select(route => route.Defer).OfType<DeferConfig>().Where(defer => !defer.Source.IsBroken))
            CheckCallback(defer, delivery, errors);
    }

    private static void CheckCallback(DeferConfig defer, DeliveryConfig delivery, ErrorList errors)
    {
        if (defer.Callback is not { } callback)
            return;
        var place = defer.Source.Of("callback");
        if (delivery.Engine == DeliveryEngine.Kafka)
            errors.Add(place, "callbacks do not exist with engine: kafka");
        else if (delivery.Callbacks is not { } settings)
            errors.Add(place, "nothing can be told without delivery.callbacks", allowed: "delivery: { callbacks: { secrets: env:NAME } } at the top of the file");
        else if (!settings.Source.IsBroken && !settings.AllowsHttp && callback.Scheme != Uri.UriSchemeHttps)
            errors.Add(place, "callbacks go over https; http needs delivery.callbacks.http: true");
        else if (!settings.Source.IsBroken && !settings.Ports.Contains(callback.Port))
            errors.Add(place, $"port {callback.Port} is not among delivery.callbacks.ports");
    }

    private static void Check(DeliveryConfig delivery, ErrorList errors)
    {
        if (delivery.Engine != DeliveryEngine.Kafka)
            return;
        if (delivery.Kafka is not { } kafka)
        {
            errors.Add(delivery.Source.Of("engine"), "engine: kafka needs to know where Kafka is; add kafka: { bootstrap: HOST:PORT }");
            return;
        }
        if (kafka.Source.IsBroken)
            return;
        if (kafka.MinInsync > kafka.Replication)
            errors.Add(kafka.Source.Of("minInsync"), "minInsync is more than replication: no write could ever be acknowledged");
        if (delivery.MaxBody > KafkaBodyBytes)
            errors.Add(delivery.Source.Of("maxBody"), "with engine: kafka maxBody is at most 1MiB, since a record must hold it");
        if (kafka.Tls is { } tls && tls.Certificate is null != tls.Key is null)
            errors.Add(tls.Source, "certificate and key go together");
        if (kafka is { Login.Mechanism: KafkaMechanism.Plain, Tls: null })
            errors.Add(kafka.Login.Source, "mechanism: plain sends the password as it is; add tls, or use scram-sha-512");
    }
}
