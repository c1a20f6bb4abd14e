using System.Globalization;
using Malha.Configuration.Reading.Shapes;
using Forms = Malha.Configuration.Reading.Shapes.Shapes;

namespace Malha.Configuration.Reading.Sections;

internal static class KafkaSection
{
    private const int BrokersAtMost = 50;

    private static readonly Shape<string> Broker = new TextShape<string>("HOST:PORT", "^.+:[0-9]+$", ReadBroker, broker => broker);

    private static readonly Shape<KafkaMechanism> Mechanism = new ChoiceShape<KafkaMechanism>(
        ("plain", KafkaMechanism.Plain), ("scram-sha-256", KafkaMechanism.ScramSha256), ("scram-sha-512", KafkaMechanism.ScramSha512));

    private static readonly Section<KafkaLoginConfig> Login = new Section<KafkaLoginConfig>("a map: user, password, mechanism", _ => new KafkaLoginConfig())
        .Required("user", Forms.AnyText, l => l.User, (l, v) => l with { User = v }, "The name that brokers know Malha by.")
        .Required("password", new SecretShape(), l => l.Password, (l, v) => l with { Password = v }, "Its password.")
        .Optional("mechanism", Mechanism, Defaults.KafkaMechanism, l => l.Mechanism, (l, v) => l with { Mechanism = v }, "How the password is shown; plain only over TLS.");

    private static readonly Section<KafkaTlsConfig> Tls = new Section<KafkaTlsConfig>("a map: ca, certificate, key", _ => new KafkaTlsConfig())
        .Optional("ca", CertificateFiles.Authorities, "the system's authorities", t => t.Ca, (t, v) => t with { Ca = v },
            "The certificate authorities that are trusted instead of the system's.")
        .Optional("certificate", CertificateFiles.Certificate, "none is presented", t => t.Certificate, (t, v) => t with { Certificate = v },
            "The certificate that Malha presents; goes with key.")
        .Optional("key", CertificateFiles.Key, "none", t => t.Key, (t, v) => t with { Key = v }, "The private key of certificate, not encrypted.");

    public static Section<KafkaConfig> Section { get; } = new Section<KafkaConfig>("a map: bootstrap, replication, minInsync, login, tls", _ => new KafkaConfig())
        .Required("bootstrap", new OneOrMoreShape<string>(Broker, BrokersAtMost), k => k.Bootstrap, (k, v) => k with { Bootstrap = v },
            "Some of the brokers; the others are learnt from them.")
        .Optional("replication", Forms.Integer(1, 15), Defaults.KafkaReplication, k => k.Replication, (k, v) => k with { Replication = v },
            "How many copies Malha's topics have. Those that are there already must have as many.")
        .Optional("minInsync", Forms.Integer(1, 15), Defaults.KafkaMinInsync, k => k.MinInsync, (k, v) => k with { MinInsync = v },
            "How many of them must have a write before it is acknowledged at acks: all.")
        .Optional("login", Login, "none", k => k.Login, (k, v) => k with { Login = v }, "Who Malha is to the brokers (SASL).")
        .Optional("tls", Tls, "in clear", k => k.Tls, (k, v) => k with { Tls = v }, "TLS to the brokers; tls: {} with the system's authorities.");

    private static string? ReadBroker(string text, out string broker)
    {
        broker = text;
        var colon = text.LastIndexOf(':');
        var good = colon > 0 && ushort.TryParse(text.AsSpan(colon + 1), NumberStyles.None, CultureInfo.InvariantCulture, out var port) && port > 0
            && Uri.CheckHostName(text[..colon].Trim('[', ']')) != UriHostNameType.Unknown;
        return good ? null : $"{Printable.Quote(text)} is not HOST:PORT";
    }
}
