using System.Globalization;
using Malha.Proxy.Http1;
using Malha.Proxy.Upstream;

namespace Malha.Proxy.Telemetry.Metrics;

/// <summary>Labels of OpenTelemetry's semantic conventions for HTTP, from what is counted.</summary>
internal static class MetricLabels
{
    // Unknown methods share one value (semantic conventions, http.request.method).
    private static readonly string[] Methods = [.. Enum.GetValues<HttpMethodKind>().Select(method => method == HttpMethodKind.Other ? "_OTHER" : method.ToString().ToUpperInvariant())];

    public static MetricLabel Method(HttpMethodKind method) => new("http.request.method", Methods[(int)method]);

    public static MetricLabel Scheme(bool isTls) => new("url.scheme", isTls ? "https" : "http");

    /// <summary>Labels of an exchange on either side.</summary>
    public static IEnumerable<MetricLabel> Of(SeriesKey key)
    {
        yield return Method(key.Method);
        if (key.Status != 0)
            yield return new("http.response.status_code", key.Status.ToString(CultureInfo.InvariantCulture));
        if (ErrorType(key) is { } error)
            yield return new("error.type", error);
        yield return new("network.protocol.version", TextOf(key.Version));
        yield return Scheme(key.IsTls);
    }

    public static IEnumerable<MetricLabel> Of(RouteLabels? route)
    {
        if (route is null)
            yield break;
        yield return new("http.route", route.Path);
        yield return new("malha.route", route.Name);
        if (route.Service is not null)
            yield return new("malha.service", route.Service);
    }

    public static IEnumerable<MetricLabel> Of(ServiceModel service, EndpointState endpoint)
    {
        yield return new("malha.service", service.Config.Name);
        yield return new("server.address", endpoint.Config.Url.Host);
        yield return new("server.port", endpoint.Config.Url.Port.ToString(CultureInfo.InvariantCulture));
    }

    public static string TextOf(HttpVersionKind version) => version switch
    {
        HttpVersionKind.Http10 => "1.0",
        HttpVersionKind.Http11 => "1.1",
        HttpVersionKind.Http2 => "2",
        _ => "3",
    };

    private static string? ErrorType(SeriesKey key) =>
        key.Failure != RefusalKind.None ? RefusalNames.TextOf(key.Failure)
        : key.Status >= 500 ? key.Status.ToString(CultureInfo.InvariantCulture)
        : null;
}
