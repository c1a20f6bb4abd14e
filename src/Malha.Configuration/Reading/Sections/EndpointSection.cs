using Malha.Configuration.Reading.Shapes;
using Forms = Malha.Configuration.Reading.Shapes.Shapes;

namespace Malha.Configuration.Reading.Sections;

internal static class EndpointSection
{
    private static readonly Shape<EndpointAddress> Url = new TextShape<EndpointAddress>(
        "a URL such as http://127.0.0.1:7001 or https://payments.example, or host:port; dns://payments.internal:8080 or srv://_http._tcp.payments.internal for what DNS says",
        @"^(https?://[^/@\s?#]+/?|(dns|srv)(\+https)?://[^/@\s?#]+|(postgres(ql)?|rediss?)://[^\s?#]+|[^/@\s?#]+:[0-9]{1,5})$", EndpointAddress.Read,
        address => address.ToString());

    private static readonly Section<EndpointConfig> Long = new Section<EndpointConfig>("a map: url, weight, password", _ => new EndpointConfig { Url = EndpointAddress.Unset })
        .Required("url", Url, e => new EndpointAddress(e.Url, e.User, null, e.Discovery), With,
            "Scheme, host and port; host:port alone means http. dns://name:port: an endpoint for each address that DNS has for the name; srv://name: for each service, with its port; with TLS dns+https:// and srv+https://. A data store that is only checked: postgres://user@host/database, redis://host or rediss://host.")
        .Optional("weight", Forms.Integer(1, 1000), Defaults.Weight, e => e.Weight, (e, v) => e with { Weight = v },
            "Its share of the traffic relative to the other endpoints'.")
        .Optional("password", new SecretShape(), null, e => e.Password, (e, v) => e with { Password = v },
            "The password at a data store.");

    /// <summary>A URL, or a map with the URL and its weight.</summary>
    public static Shape<EndpointConfig> Shape { get; } =
        new EitherShape<EndpointAddress, EndpointConfig>(Url, "url", address => With(new EndpointConfig { Url = address.Url }, address), Long);

    // The key password goes before the URL's, wherever it stands.
    private static EndpointConfig With(EndpointConfig endpoint, EndpointAddress address) =>
        endpoint with { Url = address.Url, Discovery = address.Discovery, User = address.User, Password = endpoint.Password ?? address.Password };
}
