using System.Buffers;
using System.Text;
using Malha.Configuration;
using Malha.Proxy;
using Malha.Proxy.Http1;
using Malha.Proxy.Routing;
using Malha.Proxy.Telemetry.Metrics;

namespace Malha.Tests.Telemetry;

public sealed class MetricsTests
{
    private static readonly SeriesKey Good = new(HttpMethodKind.Get, 200, RefusalKind.None, HttpVersionKind.Http11, isTls: false);

    [Theory]
    [InlineData(0, 0)]
    [InlineData(5, 0)]
    [InlineData(5.0001, 1)]
    [InlineData(10, 1)]
    [InlineData(999, 9)]
    [InlineData(1000, 9)]
    [InlineData(10_000, 13)]
    [InlineData(10_000.1, 14)]
    [InlineData(1e9, 14)]
    public void A_bound_belongs_to_its_bucket(double milliseconds, int bucket) =>
        Assert.Equal(bucket, DurationBuckets.Of(TimeSpan.FromMilliseconds(milliseconds)));

    [Theory]
    [InlineData(200, 200)]
    [InlineData(418, 400)]
    [InlineData(499, 499)]
    [InlineData(599, 500)]
    [InlineData(999, 900)]
    [InlineData(99, 0)]
    [InlineData(0, 0)]
    [InlineData(1000, 0)]
    [InlineData(-1, 0)]
    public void A_status_that_nobody_registered_counts_as_its_class(int status, int counted) => Assert.Equal(counted, KnownStatus.Of(status));

    [Fact]
    public void A_key_gives_back_what_it_was_made_of()
    {
        foreach (var method in Enum.GetValues<HttpMethodKind>())
        {
            foreach (var failure in Enum.GetValues<RefusalKind>())
            {
                foreach (var version in Enum.GetValues<HttpVersionKind>())
                {
                    var key = new SeriesKey(method, 511, failure, version, isTls: version == HttpVersionKind.Http2);
                    Assert.Equal((method, 511, failure, version, version == HttpVersionKind.Http2), (key.Method, key.Status, key.Failure, key.Version, key.IsTls));
                }
            }
        }
    }

    [Fact]
    public async Task Nothing_is_lost_when_all_cores_record_at_once()
    {
        var table = new SeriesTable(new SeriesBudget(1000));
        await Task.WhenAll(Enumerable.Range(0, 8).Select(worker => Task.Run(
            () =>
            {
                for (var count = 0; count < 50_000; count++)
                {
                    var key = new SeriesKey((HttpMethodKind)(count % 10), 200 + (worker % 7), RefusalKind.None, HttpVersionKind.Http11, isTls: false);
                    table.Of(key).Record(TimeSpan.FromMilliseconds(1), 3, 7);
                }
            },
            TestContext.Current.CancellationToken)));

        var series = table.All().Select(one => one.Read()).ToArray();
        Assert.Equal(70, series.Length);
        Assert.Equal(70, series.Select(one => one.Key).Distinct().Count());
        Assert.Equal(400_000, series.Sum(one => one.Count));
        Assert.Equal(400_000 * 3, series.Sum(one => one.BytesIn));
        Assert.Equal(400_000 * 7, series.Sum(one => one.BytesOut));
        Assert.Equal(TimeSpan.FromSeconds(400), series.Aggregate(TimeSpan.Zero, (sum, one) => sum + one.Sum));
    }

    [Fact]
    public void Beyond_the_budget_exchanges_are_counted_but_not_told_apart()
    {
        var budget = new SeriesBudget(3);
        var table = new SeriesTable(budget);
        for (var status = 200; status < 207; status++)
            table.Of(new SeriesKey(HttpMethodKind.Get, status, RefusalKind.None, HttpVersionKind.Http11, isTls: false)).Record(TimeSpan.Zero, 0, 1);
        Assert.Equal(3, table.All().Count());
        Assert.Equal(4, table.Overflow!.Read().Count);

        table.Retire();
        Assert.Equal(0, budget.Taken);
        table.Of(new SeriesKey(HttpMethodKind.Post, 200, RefusalKind.None, HttpVersionKind.Http11, isTls: false));
        Assert.Equal(0, budget.Taken);
    }

    [Fact]
    public void Routes_keep_their_counts_over_a_reload_and_are_forgotten_with_their_configuration()
    {
        var requests = new RequestMetrics();
        var first = requests.Bind(Table("/a", "/b").Routes);
        requests.Began(HttpMethodKind.Get, isTls: false);
        requests.Ended(first[0], Good, TimeSpan.FromMilliseconds(1), 0, 5);

        var second = requests.Bind(Table("/a", "/c").Routes);
        requests.Keep(second);
        Assert.Same(first[0], second[0]);
        Assert.Equal(1, Assert.Single(second[0].Answers.All()).Read().Count);
        Assert.NotSame(first[1], second[1]);
        Assert.NotSame(first[1], requests.Bind(Table("/a", "/b").Routes)[1]);
    }

    [Fact]
    public void Active_requests_are_counted_by_method_wherever_they_end()
    {
        var requests = new RequestMetrics();
        requests.Began(HttpMethodKind.Post, isTls: false);
        requests.Began(HttpMethodKind.Post, isTls: false);
        Assert.Equal((2, 0, 0), (requests.Active(HttpMethodKind.Post, false), requests.Active(HttpMethodKind.Post, true), requests.Active(HttpMethodKind.Get, false)));
        requests.Ended(requests.Unrouted, new SeriesKey(HttpMethodKind.Post, 404, RefusalKind.NoRoute, HttpVersionKind.Http11, false), TimeSpan.Zero, 0, 0);
        Assert.Equal(1, requests.Active(HttpMethodKind.Post, false));
    }

    [Fact]
    public void Recording_allocates_nothing()
    {
        var requests = new RequestMetrics();
        var route = requests.Bind(Table("/a").Routes)[0];
        var endpoint = new EndpointMetrics();
        void Record()
        {
            requests.Began(HttpMethodKind.Get, isTls: false);
            endpoint.Attempts.Of(Good).Record(TimeSpan.FromMilliseconds(2), 0, 0);
            requests.Ended(route, Good, TimeSpan.FromMilliseconds(3), 10, 20);
        }
        // What the runtime sets up once for a thread, or when it has compiled a method anew, is no cost of recording.
        for (var count = 0; count < 10_000; count++)
            Record();
        var before = GC.GetAllocatedBytesForCurrentThread();
        for (var count = 0; count < 10_000; count++)
            Record();
        Assert.Equal(before, GC.GetAllocatedBytesForCurrentThread());
    }

    [Fact]
    public void Prometheus_text_has_names_units_and_cumulative_buckets()
    {
        var series = new ExchangeSeries(Good);
        series.Record(TimeSpan.FromMilliseconds(4), 0, 0);
        series.Record(TimeSpan.FromMilliseconds(4), 0, 0);
        series.Record(TimeSpan.FromSeconds(20), 0, 0);
        var text = Write(
            new MetricFamily("http.server.request.duration", MetricKind.Histogram, "s", "Time.", [new([new("http.route", "/a")], Durations: series.Read())]),
            new MetricFamily("malha.response.body", MetricKind.Counter, "By", "Bytes.", [new([], 9_007_199_254_740_000)]),
            new MetricFamily("malha.nothing", MetricKind.Gauge, "{thing}", "Not shown.", []));
        var lines = text.Split('\n');
        Assert.Equal("# HELP http_server_request_duration_seconds Time.", lines[0]);
        Assert.Equal("# TYPE http_server_request_duration_seconds histogram", lines[1]);
        Assert.Equal("http_server_request_duration_seconds_bucket{http_route=\"/a\",le=\"0.005\"} 2", lines[2]);
        Assert.Equal("http_server_request_duration_seconds_bucket{http_route=\"/a\",le=\"10\"} 2", lines[15]);
        Assert.Equal("http_server_request_duration_seconds_bucket{http_route=\"/a\",le=\"+Inf\"} 3", lines[16]);
        Assert.Equal("http_server_request_duration_seconds_sum{http_route=\"/a\"} 20.008", lines[17]);
        Assert.Equal("http_server_request_duration_seconds_count{http_route=\"/a\"} 3", lines[18]);
        Assert.Equal("malha_response_body_bytes_total 9007199254740000", lines[21]);
        Assert.DoesNotContain("nothing", text, StringComparison.Ordinal);
    }

    [Fact]
    public void Label_values_are_escaped()
    {
        var text = Write(new MetricFamily("malha.x", MetricKind.Gauge, "", "A \\ and\nb.", [new([new("a", "q\"b\\c\nd"), new("b", "é")], 0.5)]));
        Assert.Equal("# HELP malha_x A \\\\ and\\nb.\n# TYPE malha_x gauge\nmalha_x{a=\"q\\\"b\\\\c\\nd\",b=\"é\"} 0.5\n", text);
    }

    private static RouteTable Table(params string[] paths) =>
        RouteTable.Build([.. paths.Select(path => new RouteConfig { Match = new RouteMatchConfig { Path = PathPattern.Parse(path) }, Service = "s", Name = path })]);

    private static string Write(params MetricFamily[] families)
    {
        var output = new ArrayBufferWriter<byte>();
        PrometheusWriter.Write(output, families);
        return Encoding.UTF8.GetString(output.WrittenSpan);
    }
}
