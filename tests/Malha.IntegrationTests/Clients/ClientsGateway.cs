using Malha.IntegrationTests.Traffic.Support;

namespace Malha.IntegrationTests.Clients;

/// <summary>A gateway with clients in front of an origin, and requests to it.</summary>
internal static class ClientsGateway
{
    /// <param name="origin">The one endpoint.</param>
    /// <param name="clients">The sections clients, classes and trustedMalha.</param>
    /// <param name="routes">Of the service <c>origin</c>.</param>
    /// <param name="listener">Further keys of the listener.</param>
    /// <param name="address">Where it listens.</param>
    public static string File(ScriptedOrigin origin, string clients, string routes = "[ { service: origin } ]", string listener = "", string address = "127.0.0.1:0") => $$"""
        listeners: { edge: { address: "{{address}}"{{(listener.Length > 0 ? ", " : "")}}{{listener}} } }
        {{clients}}
        services: { origin: { endpoints: [ "{{origin.Url}}" ] } }
        routes: {{routes}}
        """;

    public static string Get(string fields = "", string path = "/") => $"GET {path} HTTP/1.1\r\nHost: shop.example\r\n{fields}\r\n";

    public static string Key(string key) => $"X-Api-Key: {key}\r\n";
}
