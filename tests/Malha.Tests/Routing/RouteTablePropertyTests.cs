using System.Globalization;
using CsCheck;
using Malha.Configuration;
using Malha.Proxy.Http1;
using Malha.Proxy.Routing;
using Malha.Tests.Http1;

namespace Malha.Tests.Routing;

/// <summary>Random tables and requests against a reference that knows no tree, no hash and no bytes.</summary>
public sealed class RouteTablePropertyTests
{
    // Few words, so that routes meet each other and requests meet routes.
    private static readonly Gen<string> Segment = Gen.OneOf("a", "b", "c", "a~b", "x%2Fy", "x%20y");
    private static readonly Gen<string> PatternSegment = Gen.Frequency((4, Segment), (1, Gen.Const("{p}")), (1, Gen.Const("*")));
    private static readonly Gen<string> Host = Gen.OneOf("h", "a.h", "b.a.h", "c.b.a.h", "z", "a.z");

    private static readonly Gen<string> Pattern =
        Gen.Select(PatternSegment.Array[0, 4], Gen.Int[0, 5]).Select((segments, end) =>
            "/" + string.Join('/', segments.Select((segment, place) => segment == "{p}" ? $"{{p{place}}}" : segment))
            + (end switch { 0 when segments.Length > 0 => "/", 1 or 2 => segments.Length > 0 ? "/**" : "**", _ => "" }));

    private static readonly Gen<ValueMatchConfig> Condition =
        Gen.Select(Gen.Enum<ValueMatchKind>(), Gen.OneOf("1", "2")).Select((kind, text) => new ValueMatchConfig { Kind = kind, Text = text });

    private static Gen<ConfigDictionary<ValueMatchConfig>> Conditions(params string[] names) =>
        Gen.Select(Gen.Int[0, (1 << names.Length) - 1].Where(mask => mask == 0 || mask % 3 != 0), Condition.Array[names.Length])
            .Select((mask, conditions) => (ConfigDictionary<ValueMatchConfig>)
                [.. names.Select((name, place) => KeyValuePair.Create(name, conditions[place])).Where((_, place) => (mask >> place & 1) != 0)]);

    private static readonly Gen<RouteConfig> Route =
        Gen.Select(
            Gen.Frequency((2, Gen.Const((string?)null)), (2, Host.Select(host => (string?)host)), (1, Gen.OneOf<string?>("*.h", "*.a.h", "*.z"))),
            Pattern,
            Gen.OneOf("GET", "POST", "PURGE").Array[0, 2],
            Gen.Frequency((3, Gen.Const(ConfigDictionary.Create<ValueMatchConfig>([]))), (1, Conditions("x-a", "via"))),
            Gen.Frequency((3, Gen.Const(ConfigDictionary.Create<ValueMatchConfig>([]))), (1, Conditions("q", "r"))))
        .Select((host, path, methods, headers, query) => new RouteConfig
        {
            Match = new RouteMatchConfig
            {
                Host = host,
                Path = PathPattern.Parse(path),
                Methods = [.. methods.Distinct()],
                Headers = headers,
                Query = query,
            },
        });

    private static readonly Gen<Asked> Request =
        Gen.Select(
            Gen.OneOf("GET", "POST", "PURGE", "HEAD"),
            Host,
            Gen.Frequency((8, Segment), (1, Gen.OneOf("", "%61", "a%7eb", "x%2fy", "x/y", "d"))).Array[0, 5],
            Gen.Bool,
            Gen.Select(Gen.OneOf("X-A", "x-b", "Via", "via"), Gen.OneOf("1", "2", "21")).Array[0, 2],
            Gen.Select(Gen.OneOf("q", "r", "%71"), Gen.OneOf("1", "2", "%31", "21")).Array[0, 3])
        .Select((method, host, segments, slash, headers, query) =>
            new Asked(method, host, "/" + string.Join('/', segments) + (slash && segments.Length > 0 ? "/" : ""), headers, query));

    [Fact]
    public void A_table_answers_as_the_reference_does() =>
        Gen.Select(Route.Array[0, 12], Request.Array[1, 8]).Sample(
            (routes, requests) =>
            {
                var table = RouteTable.Build([.. routes]);
                var allow = new byte[64];
                foreach (var asked in requests)
                {
                    var (expected, methods) = Reference.Find(routes, asked);
                    var head = asked.Head();
                    var match = table.Match(head);
                    Assert.Equal(expected, match.Route?.Index ?? -1);
                    Assert.Equal(expected >= 0 ? RouteOutcome.Found : methods.Length > 0 ? RouteOutcome.MethodNotAllowed : RouteOutcome.NoRoute, match.Outcome);
                    var written = Heads.Text(allow.AsSpan(0, table.WriteAllow(head, allow)));
                    Assert.Equal(methods, written.Split(", ", StringSplitOptions.RemoveEmptyEntries).Order(StringComparer.Ordinal));

                    var explained = table.Explain(head);
                    Assert.Equal(match, explained.Match);
                    Assert.Equal(methods, explained.Allow.Order(StringComparer.Ordinal));
                    Assert.Equal(routes.Length, explained.Candidates.Count);
                }
            },
            iter: 3_000,
            seed: "0N0XIzNsQ0O2");

    internal sealed record Asked(string Method, string Host, string Path, (string Name, string Value)[] Headers, (string Name, string Value)[] Query)
    {
        public RequestHead Head() => Heads.Request(
            Method,
            Path + (Query.Length == 0 ? "" : "?" + string.Join('&', Query.Select(pair => $"{pair.Name}={pair.Value}"))),
            [$"Host: {Host}", .. Headers.Select(pair => $"{pair.Name}: {pair.Value}")]);
    }

    /// <summary>All routes that take a request, ordered by what docs/routing.md says.</summary>
    private static class Reference
    {
        public static (int Index, string[] Methods) Find(RouteConfig[] routes, Asked asked)
        {
            var fitting = routes.Index()
                .Where(route => Takes(route.Item.Match, asked))
                .OrderBy(route => Key(route.Item.Match), StringComparer.Ordinal)
                .ThenBy(route => route.Index)
                .ToArray();
            var taken = fitting.FirstOrDefault(route => route.Item.Match.Methods.Count == 0 || route.Item.Match.Methods.Contains(asked.Method), (-1, null!));
            string[] methods = taken.Index >= 0 ? [] : [.. fitting.SelectMany(route => route.Item.Match.Methods).Distinct().Order(StringComparer.Ordinal)];
            return (taken.Index, methods);
        }

        private static bool Takes(RouteMatchConfig match, Asked asked) =>
            (match.Host is null || (match.IsWildcardHost ? asked.Host.EndsWith(match.Host[1..], StringComparison.Ordinal) : asked.Host == match.Host))
            && PathFits(match.Path, Decode(asked.Path))
            && match.Headers.All(pair => Fits(pair.Value, [.. asked.Headers.Where(header => header.Name.Equals(pair.Key, StringComparison.OrdinalIgnoreCase)).Select(header => header.Value)]))
            && match.Query.All(pair => Fits(pair.Value,
                [.. asked.Query.Where(query => Uri.UnescapeDataString(query.Name) == pair.Key).Select(query => Uri.UnescapeDataString(query.Value))]));

        private static bool Fits(ValueMatchConfig condition, string[] values) => condition.Kind switch
        {
            ValueMatchKind.Exact => values.Contains(condition.Text),
            ValueMatchKind.Prefix => values.Any(value => value.StartsWith(condition.Text, StringComparison.Ordinal)),
            ValueMatchKind.Present => values.Length > 0,
            _ => values.Length == 0,
        };

        private static bool PathFits(PathPattern pattern, string path)
        {
            string[] segments = path == "/" ? [] : path[1..].Split('/');
            return (pattern.TakesRest ? segments.Length >= pattern.Segments.Count : segments.Length == pattern.Segments.Count)
                && pattern.Segments.Zip(segments).All(pair =>
                    pair.First.Kind == PathSegmentKind.Literal ? pair.First.Text == pair.Second : pair.Second.Length > 0);
        }

        private static string Decode(string path) => path.Replace("%61", "a", StringComparison.Ordinal)
            .Replace("%7e", "~", StringComparison.Ordinal).Replace("%2f", "%2F", StringComparison.Ordinal);

        // Smaller is more specific; all requests here have paths of fewer than ten segments.
        private static string Key(RouteMatchConfig match)
        {
            var literals = match.Path.Segments.Count(segment => segment.Kind == PathSegmentKind.Literal);
            var host = match.Host is null ? "9" : match.IsWildcardHost ? (8 - match.Host.Count(c => c == '.')).ToString(CultureInfo.InvariantCulture) : "0";
            var length = match.Path.TakesRest ? 9 - match.Path.Segments.Count : 0;
            var shape = string.Concat(match.Path.Segments.Select(segment => segment.Kind == PathSegmentKind.Literal ? '0' : '1'));
            return $"{host} {match.Path.TakesRest} {length} {9 - literals} {shape} {match.Methods.Count == 0} {9 - match.Headers.Count} {9 - match.Query.Count}";
        }
    }
}
