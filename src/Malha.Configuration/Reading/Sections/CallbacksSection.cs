using System.Net;
using Malha.Configuration.Reading.Shapes;
using Forms = Malha.Configuration.Reading.Shapes.Shapes;

namespace Malha.Configuration.Reading.Sections;

internal static class CallbacksSection
{
    private const int SecretsAtMost = 5;
    private const int PortsAtMost = 20;

    public static Section<CallbacksConfig> Section { get; } =
        new Section<CallbacksConfig>("a map: secrets, timeout, ttl, perHost, http, ports, networks", _ => new CallbacksConfig())
        .Required("secrets", new OneOrMoreShape<Secret>(new SecretShape(), SecretsAtMost), c => c.Secrets, (c, v) => c with { Secrets = v },
            "What callbacks are signed with, as whsec_ and 24 to 64 bytes in base64; each signs, so that receivers can change from one to the next.")
        .Optional("timeout", Forms.Duration, Defaults.CallbackTimeout, c => c.Timeout, (c, v) => c with { Timeout = v },
            "How long a receiver may take to answer.")
        .Optional("ttl", Forms.LongDuration, Defaults.CallbackTtl, c => c.Ttl, (c, v) => c with { Ttl = v },
            "After which a callback that nobody took is given up; at the latest when the operation is forgotten.")
        .Optional("perHost", Forms.Integer(1, 100), Defaults.CallbacksPerHost, c => c.PerHost, (c, v) => c with { PerHost = v },
            "How many callbacks are under way to one host at a time.")
        .Optional("http", Forms.Boolean, Defaults.CallbackHttp, c => c.AllowsHttp, (c, v) => c with { AllowsHttp = v },
            "Whether callbacks may go in clear.")
        .Optional("ports", new OneOrMoreShape<int>(Forms.Integer(1, 65535), PortsAtMost), Defaults.CallbackPorts, c => c.Ports, (c, v) => c with { Ports = v },
            "The ports that callbacks may go to.")
        .Optional("networks", new ListShape<IPNetwork>(Forms.Network, isSet: true), "public addresses only", c => c.Networks.Count == 0 ? null : c.Networks, (c, v) => c with { Networks = v },
            "Networks that callbacks may go to though they are loopback, private, link-local or otherwise not public.");
}
