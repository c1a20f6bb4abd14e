using Malha.Configuration.Reading.Shapes;
using Forms = Malha.Configuration.Reading.Shapes.Shapes;

namespace Malha.Configuration.Reading.Sections;

internal static class DeliverySection
{
    private const int KeysAtMost = 10;

    private static readonly Shape<DeliveryEngine> Engine = new ChoiceShape<DeliveryEngine>(("embedded", DeliveryEngine.Embedded), ("kafka", DeliveryEngine.Kafka));

    private static readonly Shape<string> Path = new TextShape<string>("a folder", "^.+$", ReadPath, path => path);

    public static Section<DeliveryConfig> Section { get; } =
        new Section<DeliveryConfig>("the durable lane: engine, path, maxBody, credentialKeys, attempts, backoff, retention, deadLetterRetention, minFree, kafka, callbacks", _ => new DeliveryConfig())
        .Optional("engine", Engine, Defaults.DeliveryEngine, d => d.Engine, (d, v) => d with { Engine = v },
            "What keeps the operations: a log on this machine's disk, or Apache Kafka, which several gateways share.")
        .Required("path", Path, d => d.Path, (d, v) => d with { Path = v },
            "The folder of the log, or with Kafka that of this gateway's copy and of what Kafka did not take in time; relative to the folder of this file. One gateway at a time has it open.")
        .Optional("maxBody", Forms.Size(0, 8 << 20), Defaults.DeliveryMaxBody, d => d.MaxBody, (d, v) => d with { MaxBody = v },
            "The largest body that is kept; a request with a larger one is passed on, and answered 503 where others are answered 202.")
        .Optional("credentialKeys", new OneOrMoreShape<Secret>(new SecretShape(), KeysAtMost), "credentials are not kept", d => d.CredentialKeys.Count == 0 ? null : d.CredentialKeys,
            (d, v) => d with { CredentialKeys = v },
            "What Authorization, Cookie and forwarded keys of kept requests are encrypted with, 32 characters or more: the first encrypts, any decrypts.")
        .Optional("attempts", Forms.Integer(1, 1000), Defaults.DeliveryAttempts, d => d.Attempts, (d, v) => d with { Attempts = v },
            "How often the server may fail to process an operation before it becomes a dead letter; while the server is away nothing counts.")
        .Optional("backoff", Forms.DurationRange(Defaults.DeliveryBackoff.Value.Longest), Defaults.DeliveryBackoff, d => d.Backoff, (d, v) => d with { Backoff = v },
            "How long an operation waits after its server failed: at first, and at most, since the time doubles; half of it is chance.")
        .Optional("retention", Forms.LongDuration, Defaults.DeliveryRetention, d => d.Retention, (d, v) => d with { Retention = v },
            "How long an operation that has ended, its answer and its Idempotency-Key are kept.")
        .Optional("deadLetterRetention", Forms.LongDuration, Defaults.DeadLetterRetention, d => d.DeadLetterRetention, (d, v) => d with { DeadLetterRetention = v },
            "The same for dead letters.")
        .Optional("minFree", Forms.Size(1 << 20, 1L << 40), Defaults.DeliveryMinFree, d => d.MinFree, (d, v) => d with { MinFree = v },
            "Nothing is accepted while less is free on the disk of the log.")
        .Optional("kafka", KafkaSection.Section, "needed by engine: kafka", d => d.Kafka, (d, v) => d with { Kafka = v },
            "Where Kafka is, and what is asked of it.")
        .Optional("callbacks", CallbacksSection.Section, "needed by defer.callback", d => d.Callbacks, (d, v) => d with { Callbacks = v },
            "How the ends of operations are told to the addresses that routes name.");

    private static string? ReadPath(string text, out string path)
    {
        path = text;
        return text.Length > 0 && !text.Contains('\0', StringComparison.Ordinal) ? null : "the folder is missing";
    }
}

internal static class DeferSection
{
    private static readonly Shape<DeferWhen> When = new ChoiceShape<DeferWhen>(
        ("unavailable", DeferWhen.Unavailable), ("always", DeferWhen.Always), ("preferred", DeferWhen.Preferred));

    private static readonly Shape<DeferKey> Key = new TextShape<DeferKey>(
        "header:NAME, or client", "^(client|header:.+)$", ReadKey, key => key.ToString());

    private static readonly Shape<Uri> Callback = new TextShape<Uri>(
        "a URL such as https://shop.example/hooks", "^https?://.+$", ReadCallback, url => url.OriginalString);

    private static readonly Shape<bool> IdempotencyKey = new ChoiceShape<bool>(("optional", false), ("required", true));

    public static Section<DeferConfig> Section { get; } =
        new Section<DeferConfig>("deferral: when, overloaded, acks, key, ttl, idempotencyKey, callback", _ => new DeferConfig())
        .Required("when", When, d => d.When, (d, v) => d with { When = v },
            "unavailable: when the service cannot be reached; always: every request; preferred: also when the client sends Prefer: respond-async.")
        .Optional("overloaded", new OrOffShape<int>(Forms.Integer(1, 1_000_000)), "off", d => d.Overloaded, (d, v) => d with { Overloaded = v },
            "Accept requests also when the service is overloaded, while no more than so many of the client's wait.")
        .Optional("acks", new AcksShape(), Defaults.DeferAcks, d => d.Acks, (d, v) => d with { Acks = v },
            "What must have happened before the client is told: none, nothing; leader, the operating system has it; all, it is synced to the disk.")
        .Optional("key", Key, "no order", d => d.Key, (d, v) => d with { Key = v },
            "What operations share that are delivered in the order of their acceptance.")
        .Optional("ttl", Forms.LongDuration, Defaults.DeferTtl, d => d.Ttl, (d, v) => d with { Ttl = v },
            "After which an operation that still waits becomes a dead letter.")
        .Optional("idempotencyKey", IdempotencyKey, Defaults.DeferIdempotencyKey, d => d.RequiresIdempotencyKey, (d, v) => d with { RequiresIdempotencyKey = v },
            "Whether a request without Idempotency-Key is answered 400.")
        .Optional("callback", Callback, "nobody is told", d => d.Callback, (d, v) => d with { Callback = v },
            "Where an operation's end is told, in a POST that is signed as delivery.callbacks says.");

    private static string? ReadCallback(string text, out Uri url)
    {
        var good = Uri.TryCreate(text, UriKind.Absolute, out var read) && read.Scheme is "http" or "https" && read is { Host.Length: > 0, UserInfo.Length: 0, Fragment.Length: 0 };
        url = read!;
        // Not repeated: it may hold a password.
        return good ? null : "it is not an http or https URL without user and fragment";
    }

    private static string? ReadKey(string text, out DeferKey key)
    {
        key = new DeferKey((string?)null);
        if (text == "client")
            return null;
        var name = text.StartsWith("header:", StringComparison.Ordinal) ? text["header:".Length..] : "";
        key = new DeferKey(name);
        return HttpSyntax.IsToken(name) ? null : $"{Printable.Quote(text)} is neither header:NAME nor client";
    }
}
