using System.Net;
using Malha.Configuration.Reading.Shapes;
using Forms = Malha.Configuration.Reading.Shapes.Shapes;

namespace Malha.Configuration.Reading.Sections;

internal static class ClientSection
{
    private static readonly Shape<string> ClassName =
        new TextShape<string>("the name of a class", Forms.NamePattern, Forms.ReadName, name => name);

    private static readonly Shape<string> HeaderName =
        new TextShape<string>("the name of a header field", HttpSyntax.TokenPattern, ReadHeaderName, name => name);

    private static readonly Section<HeaderConfig> Header =
        new Section<HeaderConfig>("a map: name, value", _ => new HeaderConfig { Name = "", Value = "" })
        .Required("name", HeaderName, h => h.Name, (h, v) => h with { Name = v }, "The name of the field.")
        .Required("value", new HeaderValueShape(), h => new HeaderValue(h.Value, h.SecretOrigin), (h, v) => h with { Value = v.Text, SecretOrigin = v.Origin },
            "Its whole value. One from env: or file: is a credential, and presenting another is answered 401; one in clear is a mere label.");

    private static readonly Section<ClientConfig> Section =
        new Section<ClientConfig>("a client: apiKey, header, address or any, …", name => new ClientConfig { Name = name })
        .Optional("apiKey", new OneOrMoreShape<Secret>(new SecretShape(), 100), "none is asked for",
            c => c.ApiKeys.Count == 0 ? null : c.ApiKeys, (c, v) => c with { ApiKeys = v },
            "The key in X-Api-Key, or several of which each will do.")
        .Optional("header", Header, "none is asked for", c => c.Header, (c, v) => c with { Header = v }, "A header field that the client sends.")
        .Optional("address", new ListShape<IPNetwork>(Forms.Network, least: 1, isSet: true), "any address",
            c => c.Addresses.Count == 0 ? null : c.Addresses, (c, v) => c with { Addresses = v },
            "Networks that the client's address lies in, behind the listener's trustedProxies.")
        .Optional("any", Forms.Boolean, null, c => c.Any ? true : null, (c, v) => c with { Any = v },
            "Everybody that no client before this one is; stands last.")
        .Optional("class", ClassName, "the last class", c => c.Class, (c, v) => c with { Class = v }, "Its class.")
        .Optional("limit", new OneOrMoreShape<LimitConfig>(LimitSection.Shape, LimitSection.Most), "no limit",
            c => c.Limits.Count == 0 ? null : c.Limits, (c, v) => c with { Limits = v },
            "How much it may; of several limits all hold at once.")
        .Optional("forwardCredentials", Forms.Boolean, Defaults.ForwardCredentials, c => c.ForwardCredentials, (c, v) => c with { ForwardCredentials = v },
            "Whether the service sees the key that the client presents.")
        .NotYet("jwt", "identity");

    public static Shape<ConfigDictionary<ClientConfig>> Shape { get; } = Forms.Named(Section);

    /// <summary>A list whose order counts, as the map that it stands for in the file; null when it is empty.</summary>
    public static ConfigDictionary<T>? ByName<T>(ConfigList<T> items, Func<T, string> name) =>
        items.Count == 0 ? null : [.. items.Select(item => new KeyValuePair<string, T>(name(item), item))];

    private static string? ReadHeaderName(string text, out string name)
    {
        name = text;
        if (text.Equals("X-Api-Key", StringComparison.OrdinalIgnoreCase))
            return "a key in X-Api-Key is asked for with apiKey";
        return text.Equals("Host", StringComparison.OrdinalIgnoreCase) ? "Host says who is called, not who calls" : HeaderRules.WhyNot(text, HeaderUse.RequestSet);
    }
}

internal static class ClassSection
{
    public static Section<ClassConfig> Section { get; } = new Section<ClassConfig>("a class: share, lend", name => new ClassConfig { Name = name })
        .Required("share", Forms.Share, c => c.Share, (c, v) => c with { Share = v }, "What its clients are guaranteed together of each service's concurrency.")
        .Optional("lend", Forms.Share, Defaults.ClassLend, c => c.Lend, (c, v) => c with { Lend = v },
            "How much of the share other classes may use while this one does not.");
}

internal static class LimitSection
{
    /// <summary>Each costs every request of the client a look-up.</summary>
    public const int Most = 8;

    /// <summary>One in 100 ns is as fast as words of limits count.</summary>
    private static readonly Shape<Rate> RateForm = Forms.RateUpTo(10_000_000);

    private static readonly Section<LimitConfig> Long = new Section<LimitConfig>("a map: rate, burst, per, cost", _ => new LimitConfig())
        .Required("rate", RateForm, l => l.Rate, (l, v) => l with { Rate = v }, "Requests in a second, a minute or an hour.")
        .Optional("burst", Forms.Integer(1, 1_000_000_000), "as many as the rate has in its period, at least 1", l => l.Burst, (l, v) => l with { Burst = v },
            "Requests that may come at once after a pause.")
        .Optional("per", new ChoiceShape<LimitScope>(("client", LimitScope.Client), ("ip", LimitScope.Ip)), Defaults.LimitPer,
            l => l.Per, (l, v) => l with { Per = v },
            "What is counted together: all requests of the client, or those of each address (IPv4 /32, IPv6 /64).")
        .Optional("cost", Forms.Integer(1, 1_000_000), Defaults.LimitCost, l => l.Cost, (l, v) => l with { Cost = v },
            "How much one request takes.");

    /// <summary>A rate, or a map with the rate and what else there is to say.</summary>
    public static Shape<LimitConfig> Shape { get; } = new EitherShape<Rate, LimitConfig>(RateForm, "rate", rate => new LimitConfig { Rate = rate }, Long);
}
