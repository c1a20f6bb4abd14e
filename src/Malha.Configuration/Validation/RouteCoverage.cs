using System.Globalization;
using System.Runtime.InteropServices;
using System.Text;
using Malha.Configuration.Reading;

namespace Malha.Configuration.Validation;

/// <summary>
/// Finds routes that never match: the most specific route wins and the first of equals, so a route whose condition is that of earlier
/// ones, method for method, is never reached. Conditions that differ only in the names of path parameters are the same.
/// One lookup per route and method.
/// </summary>
internal sealed class RouteCoverage(ErrorList errors)
{
    /// <summary>Stands for "any method", which is less specific than a method and so another condition.</summary>
    private const string AnyMethod = "";

    private readonly Dictionary<string, RouteConfig> _taken = new(StringComparer.Ordinal);

    public void Add(RouteConfig route)
    {
        if (route.Match.Source.IsBroken)
            return;

        var condition = Condition(route.Match);
        var methods = route.Match.Methods.Count == 0 ? [AnyMethod] : route.Match.Methods;
        var owners = new List<RouteConfig>();
        foreach (var method in methods)
        {
            ref var owner = ref CollectionsMarshal.GetValueRefOrAddDefault(_taken, $"{method} {condition}", out var isTaken);
            owner ??= route;
            if (isTaken)
                owners.Add(owner);
        }

        if (owners.Count < methods.Count)
            return;
        var earlier = string.Join(", ", owners.Distinct().Take(3).Select(owner => $"{owner.Source.Path} ({owner.Source})"));
        errors.Add(route.Source, $"never matches: its requests are taken by {earlier}");
    }

    private static string Condition(RouteMatchConfig match)
    {
        var text = new StringBuilder();
        Append(text, match.Host ?? "");
        foreach (var segment in match.Path.Segments)
            Append(text, segment.Kind == PathSegmentKind.Literal ? segment.Text : "*");
        text.Append(match.Path.TakesRest ? "**" : "|");
        AppendValues(text, match.Headers);
        AppendValues(text, match.Query);
        return text.ToString();
    }

    private static void AppendValues(StringBuilder text, ConfigDictionary<ValueMatchConfig> values)
    {
        text.Append('?');
        foreach (var (name, value) in values.OrderBy(item => item.Key, StringComparer.Ordinal))
        {
            Append(text, name);
            text.Append((int)value.Kind);
            Append(text, value.Text);
        }
    }

    /// <summary>With its length before it, a text cannot run into the next.</summary>
    private static void Append(StringBuilder text, string part) =>
        text.Append(part.Length.ToString(CultureInfo.InvariantCulture)).Append(':').Append(part);
}
