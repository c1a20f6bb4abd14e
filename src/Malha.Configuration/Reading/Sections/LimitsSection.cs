using Malha.Configuration.Reading.Shapes;
using Forms = Malha.Configuration.Reading.Shapes.Shapes;

namespace Malha.Configuration.Reading.Sections;

internal static class LimitsSection
{
    private static readonly Shape<EndpointAddress> Store = new TextShape<EndpointAddress>(
        "a URL such as redis://127.0.0.1:6379 or rediss://user@redis.example", @"^rediss?://[^\s?#]+$", Read, address => address.ToString());

    public static Section<LimitsConfig> Section { get; } =
        new Section<LimitsConfig>("a map: shared, password, mode, timeout", _ => new LimitsConfig { Shared = EndpointAddress.Unset })
        .Required("shared", Store, l => new EndpointAddress(l.Shared, l.User, null), With,
            "A server that speaks Redis' protocol, in which gateways with the same setting count limits, capacities and retry budgets together.")
        .Optional("password", new SecretShape(), null, l => l.Password, (l, v) => l with { Password = v },
            "The password there.")
        .Optional("mode", new ChoiceShape<SharingMode>(("leases", SharingMode.Leases), ("exact", SharingMode.Exact)), Defaults.LimitsMode, l => l.Mode, (l, v) => l with { Mode = v },
            "Whether a gateway takes some of each limit ahead, so that no request waits, or each request asks the server.")
        .Optional("timeout", Forms.Duration, Defaults.LimitsTimeout, l => l.Timeout, (l, v) => l with { Timeout = v },
            "How long a request waits for the server in the mode exact; then limits are counted by each gateway alone until it is quick again.");

    // The key password goes before the URL's, wherever it stands.
    private static LimitsConfig With(LimitsConfig limits, EndpointAddress address) =>
        limits with { Shared = address.Url, User = address.User, Password = limits.Password ?? address.Password };

    private static string? Read(string text, out EndpointAddress address) =>
        EndpointAddress.Read(text, out address) is { } problem ? problem.Replace("endpoint", "store", StringComparison.Ordinal)
            : address.Url.Scheme is "redis" or "rediss" ? null : "the store is not a URL such as redis://127.0.0.1:6379";
}
