using System.Net;

namespace Malha.Configuration;

/// <summary>The durable lane: where requests are kept that are accepted for later, and how they are delivered.</summary>
public sealed record DeliveryConfig : ConfigItem
{
    public DeliveryEngine Engine { get; init; } = Defaults.DeliveryEngine.Value;

    /// <summary>Set with the engine of that name.</summary>
    public KafkaConfig? Kafka { get; init; }

    /// <summary>The folder of the embedded log; relative to the folder of the file.</summary>
    public string Path { get; init; } = "";

    /// <summary>The largest body that is kept, in bytes.</summary>
    public long MaxBody { get; init; } = Defaults.DeliveryMaxBody.Value;

    /// <summary>What credentials of kept requests are sealed with: the first seals, any opens; empty: they are not kept.</summary>
    public ConfigList<Secret> CredentialKeys { get; init; } = [];

    /// <summary>How often a server may refuse an operation before it is a dead letter.</summary>
    public int Attempts { get; init; } = Defaults.DeliveryAttempts.Value;

    /// <summary>The first wait after an attempt that failed, and the longest.</summary>
    public DurationRange Backoff { get; init; } = Defaults.DeliveryBackoff.Value;

    /// <summary>How long what has ended is kept.</summary>
    public TimeSpan Retention { get; init; } = Defaults.DeliveryRetention.Value;

    /// <summary>The same for dead letters.</summary>
    public TimeSpan DeadLetterRetention { get; init; } = Defaults.DeadLetterRetention.Value;

    /// <summary>Nothing is accepted while less is free on the disk, in bytes.</summary>
    public long MinFree { get; init; } = Defaults.DeliveryMinFree.Value;

    /// <summary>How the ends of operations are told; null: no route has them told.</summary>
    public CallbacksConfig? Callbacks { get; init; }
}

/// <summary>How ends of operations are told to the addresses that routes name: signed as Standard Webhooks, and to no address that is not meant.</summary>
public sealed record CallbacksConfig : ConfigItem
{
    /// <summary>Each signs, so that a new one can be brought in before the old one is let go.</summary>
    public ConfigList<Secret> Secrets { get; init; } = [];

    /// <summary>From the connection to the end of the answer's head.</summary>
    public TimeSpan Timeout { get; init; } = Defaults.CallbackTimeout.Value;

    /// <summary>After which a callback that nobody has taken is given up.</summary>
    public TimeSpan Ttl { get; init; } = Defaults.CallbackTtl.Value;

    /// <summary>Callbacks under way to one host at a time.</summary>
    public int PerHost { get; init; } = Defaults.CallbacksPerHost.Value;

    /// <summary>Whether addresses may begin with http.</summary>
    public bool AllowsHttp { get; init; } = Defaults.CallbackHttp.Value;

    /// <summary>The ports that addresses may have.</summary>
    public ConfigList<int> Ports { get; init; } = Defaults.CallbackPorts.Value;

    /// <summary>Networks that may be connected to though they are not public.</summary>
    public ConfigList<IPNetwork> Networks { get; init; } = [];
}

/// <summary>What keeps operations.</summary>
public enum DeliveryEngine
{
    /// <summary>A log on this machine's disk.</summary>
    Embedded,

    /// <summary>Apache Kafka, which several gateways share.</summary>
    Kafka,
}

/// <summary>Where Kafka is, and what is asked of it.</summary>
public sealed record KafkaConfig : ConfigItem
{
    /// <summary>Brokers as HOST:PORT; the others are learnt from these.</summary>
    public ConfigList<string> Bootstrap { get; init; } = [];

    /// <summary>Copies of everything that Malha's topics hold.</summary>
    public int Replication { get; init; } = Defaults.KafkaReplication.Value;

    /// <summary>How many of them must be in sync for a write at acks all.</summary>
    public int MinInsync { get; init; } = Defaults.KafkaMinInsync.Value;

    /// <summary>Null: none is asked for.</summary>
    public KafkaLoginConfig? Login { get; init; }

    /// <summary>Null: in clear.</summary>
    public KafkaTlsConfig? Tls { get; init; }
}

/// <summary>Who Malha is to Kafka (SASL).</summary>
public sealed record KafkaLoginConfig : ConfigItem
{
    public KafkaMechanism Mechanism { get; init; } = Defaults.KafkaMechanism.Value;

    public string User { get; init; } = "";

    public Secret Password { get; init; } = null!;
}

/// <summary>How the password is shown.</summary>
public enum KafkaMechanism
{
    Plain,
    ScramSha256,
    ScramSha512,
}

/// <summary>TLS to Kafka's brokers.</summary>
public sealed record KafkaTlsConfig : ConfigItem
{
    /// <summary>PEM certificates of the authorities that are trusted instead of the system's.</summary>
    public ConfigFile? Ca { get; init; }

    /// <summary>The PEM certificate that Malha presents; goes with <see cref="Key"/>.</summary>
    public ConfigFile? Certificate { get; init; }

    public ConfigFile? Key { get; init; }
}

/// <summary>When and how a route's requests are accepted for later.</summary>
public sealed record DeferConfig : ConfigItem
{
    public DeferWhen When { get; init; }

    /// <summary>How many operations of one client may wait that were accepted since the service was overloaded; null: that is no reason.</summary>
    public int? Overloaded { get; init; }

    public AckChoice Acks { get; init; } = Defaults.DeferAcks.Value;

    /// <summary>What operations share that are delivered in order; null: they are delivered in no order.</summary>
    public DeferKey? Key { get; init; }

    /// <summary>After which an operation that still waits becomes a dead letter.</summary>
    public TimeSpan Ttl { get; init; } = Defaults.DeferTtl.Value;

    /// <summary>Whether a request must have an Idempotency-Key.</summary>
    public bool RequiresIdempotencyKey { get; init; } = Defaults.DeferIdempotencyKey.Value;

    /// <summary>Where the end of an operation is told; null: nowhere.</summary>
    public Uri? Callback { get; init; }
}

/// <summary>When requests are accepted for later.</summary>
public enum DeferWhen
{
    /// <summary>When the service cannot be reached.</summary>
    Unavailable,

    /// <summary>All of them.</summary>
    Always,

    /// <summary>When the client asks for it, and as with <see cref="Unavailable"/>.</summary>
    Preferred,
}

/// <summary>How durable an operation must be before its client is told.</summary>
public enum AckChoice
{
    None,
    Leader,
    All,
}

/// <summary>What operations share that are delivered in order: the value of a header field, or (null) their client.</summary>
/// <param name="Header">The field's name.</param>
public sealed record DeferKey(string? Header)
{
    public override string ToString() => Header is null ? "client" : "header:" + Header;
}
