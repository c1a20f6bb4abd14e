namespace Malha.Proxy.Telemetry.Metrics;

/// <summary>What is counted of one route's requests. It outlives reloads that keep the route.</summary>
/// <param name="route">What the series are labelled with; null for requests that met no route.</param>
/// <param name="budget">Shared by all routes.</param>
internal sealed class RouteMetrics(RouteLabels? route, SeriesBudget budget)
{
    public RouteLabels? Route { get; } = route;

    public SeriesTable Answers { get; } = new(budget);
}

/// <summary>How a route is called in metrics.</summary>
/// <param name="Path">Its path pattern, which is OpenTelemetry's <c>http.route</c>.</param>
/// <param name="Name">Its name; routes of several hosts may have the same path.</param>
/// <param name="Service">The service that it leads to; null when the route answers itself.</param>
internal sealed record RouteLabels(string Path, string Name, string? Service);
