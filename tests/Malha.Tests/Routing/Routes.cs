using Malha.Configuration;
using Malha.Proxy.Http1;
using Malha.Proxy.Routing;
using Malha.Tests.Http1;

namespace Malha.Tests.Routing;

/// <summary>Routes in one line each: <c>name: METHODS host/path header=value ?query=value</c>, everything but the name and the path optional.</summary>
internal static class Routes
{
    public static RouteTable Table(params string[] routes) => RouteTable.Build([.. routes.Select(Parse)]);

    public static RouteConfig Parse(string text)
    {
        var (name, rest) = Split(text, ": ");
        var methods = new List<string>();
        var headers = new List<KeyValuePair<string, ValueMatchConfig>>();
        var query = new List<KeyValuePair<string, ValueMatchConfig>>();
        string? host = null;
        var path = PathPattern.Everything;
        foreach (var word in rest.Split(' ', StringSplitOptions.RemoveEmptyEntries))
        {
            if (word.Contains('/', StringComparison.Ordinal) && !word.Contains('=', StringComparison.Ordinal))
            {
                var slash = word.IndexOf('/', StringComparison.Ordinal);
                host = slash == 0 ? null : word[..slash];
                path = PathPattern.Parse(word[slash..]);
            }
            else if (word.All(char.IsAsciiLetterUpper))
                methods.Add(word);
            else if (word.StartsWith('?'))
                query.Add(Condition(word[1..]));
            else
                headers.Add(Condition(word));
        }

        var match = new RouteMatchConfig { Host = host, Path = path, Methods = [.. methods], Headers = [.. headers], Query = [.. query] };
        return new RouteConfig { Name = name, Match = match, Service = "any" };
    }

    public static string? Name(RouteTable table, RequestHead head) => table.Match(head).Route?.Name;

    public static string? Name(RouteTable table, string method, string hostAndTarget, params string[] fields)
    {
        var slash = hostAndTarget.IndexOf('/', StringComparison.Ordinal);
        return Name(table, Heads.Request(method, hostAndTarget[slash..], [$"Host: {hostAndTarget[..slash]}", .. fields]));
    }

    // name=text, name^=text, name+ for present, name! for absent
    private static KeyValuePair<string, ValueMatchConfig> Condition(string word)
    {
        if (word.EndsWith('+'))
            return new(word[..^1], new ValueMatchConfig { Kind = ValueMatchKind.Present });
        if (word.EndsWith('!'))
            return new(word[..^1], new ValueMatchConfig { Kind = ValueMatchKind.Absent });
        var (name, text) = Split(word, "=");
        return name.EndsWith('^')
            ? new(name[..^1], new ValueMatchConfig { Kind = ValueMatchKind.Prefix, Text = text })
            : new(name, new ValueMatchConfig { Text = text });
    }

    private static (string Left, string Right) Split(string text, string by)
    {
        var place = text.IndexOf(by, StringComparison.Ordinal);
        return (text[..place], text[(place + by.Length)..]);
    }
}
