using Malha.Proxy;
using Malha.Proxy.Telemetry;
using Malha.Proxy.Telemetry.Metrics;

namespace Malha.ControlPlane.Api.Views;

/// <summary>What has passed a route, or been asked of an endpoint, since the start.</summary>
/// <param name="Count">Exchanges that have ended.</param>
/// <param name="MeanMs">Their mean duration; null when there were none.</param>
/// <param name="RequestBytes">Bytes of request bodies.</param>
/// <param name="ResponseBytes">Bytes of response bodies.</param>
/// <param name="ByStatus">How many by status; `none` when there was no answer.</param>
/// <param name="ByRefusal">How many Malha answered or ended itself, by reason.</param>
public sealed record TrafficView(
    long Count, double? MeanMs, long RequestBytes, long ResponseBytes, IReadOnlyDictionary<string, long> ByStatus, IReadOnlyDictionary<string, long> ByRefusal)
{
    internal static TrafficView Of(IEnumerable<SeriesTable> tables)
    {
        var series = tables.SelectMany(table => table.Overflow is { } overflow ? table.All().Append(overflow) : table.All()).Select(one => one.Read()).ToArray();
        var count = series.Sum(one => one.Count);
        return new TrafficView(
            count,
            count == 0 ? null : Math.Round(series.Sum(one => one.Sum.TotalMilliseconds) / count, 3),
            series.Sum(one => one.BytesIn),
            series.Sum(one => one.BytesOut),
            By(series, one => one.Key.Status == 0 ? "none" : one.Key.Status.ToString(System.Globalization.CultureInfo.InvariantCulture)),
            By(series.Where(one => one.Key.Failure != RefusalKind.None), one => RefusalNames.TextOf(one.Key.Failure)));
    }

    private static SortedDictionary<string, long> By(IEnumerable<SeriesSnapshot> series, Func<SeriesSnapshot, string> key) =>
        new(series.GroupBy(key).ToDictionary(group => group.Key, group => group.Sum(one => one.Count)), StringComparer.Ordinal);
}
