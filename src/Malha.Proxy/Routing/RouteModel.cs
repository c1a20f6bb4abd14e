using Malha.Configuration;
using Malha.Proxy.Http1;

namespace Malha.Proxy.Routing;

/// <summary>A route as requests meet it: compiled, immutable, replaced as a whole by a reload.</summary>
internal sealed class RouteModel
{
    private readonly ValueMatcher[] _headers;
    private readonly ValueMatcher[] _query;

    public RouteModel(RoutePrecedence precedence, int rank)
    {
        var config = precedence.Config;
        Config = config;
        Index = precedence.Index;
        Rank = rank;
        Name = config.Name ?? $"routes[{Index}]";
        Host = precedence.Host;
        Path = precedence.Path;
        Methods = new MethodSet(config.Match.Methods);
        _headers = [.. config.Match.Headers.Select(pair => new ValueMatcher(pair.Key, pair.Value))];
        _query = [.. config.Match.Query.Select(pair => new ValueMatcher(pair.Key, pair.Value))];
        TimeoutRule = config.Source.Path + ".timeout";
        AttemptTimeoutRule = config.Source.Path + ".attemptTimeout";
        RewriteRule = config.Source.Path + ".rewrite";
        RequestHeaders = HeaderEditModel.Of(config.Headers.Request);
        ResponseHeaders = HeaderEditModel.Of(config.Headers.Response);
        Rewrite = config.Rewrite is { } rewrite ? new RewriteModel(rewrite, config.Match.Path) : null;
        Redirect = config.Redirect is { } redirect ? new RedirectModel(redirect) : null;
        Respond = config.Respond is { } respond ? new FixedAnswerModel(respond) : null;
    }

    public RouteConfig Config { get; }

    /// <summary>Its place in the file: whoever keeps something for each route keeps it in an array by this.</summary>
    public int Index { get; }

    /// <summary>The name that the file gives it, else <c>routes[3]</c>.</summary>
    public string Name { get; }

    /// <summary>The service that the request goes to, of several all; null when the route answers itself.</summary>
    public string? ServiceName => Config.Services.Any() ? string.Join(',', Config.Services) : null;

    /// <summary>When its requests are accepted for later; null: never.</summary>
    public DeferConfig? Defer => Config.Defer;

    /// <summary>The path of its own timeout, for refusals.</summary>
    public string TimeoutRule { get; }

    /// <inheritdoc cref="TimeoutRule"/>
    public string AttemptTimeoutRule { get; }

    /// <inheritdoc cref="TimeoutRule"/>
    public string RewriteRule { get; }

    public HeaderEditModel RequestHeaders { get; }

    public HeaderEditModel ResponseHeaders { get; }

    /// <summary>What the service gets instead of path and host; null when they go as they came.</summary>
    public RewriteModel? Rewrite { get; }

    public RedirectModel? Redirect { get; }

    public FixedAnswerModel? Respond { get; }

    public HostModel Host { get; }

    public PathModel Path { get; }

    public MethodSet Methods { get; }

    public ReadOnlySpan<ValueMatcher> HeaderConditions => _headers;

    public ReadOnlySpan<ValueMatcher> QueryConditions => _query;

    /// <summary>Its place in the order of precedence over all routes of its table, from 0.</summary>
    public int Rank { get; }

    /// <summary>Whether it takes every request.</summary>
    public bool TakesAll => Host.Name is null && Path.IsEverything && Methods.TakesAny && _headers.Length == 0 && _query.Length == 0;

    /// <summary>Whether the conditions on header fields and query parameters hold.</summary>
    public bool ConditionsHold(RequestHead head)
    {
        foreach (var condition in _headers)
        {
            if (!condition.HeaderHolds(head))
                return false;
        }
        if (_query.Length == 0)
            return true;
        var query = head.Bytes(head.Query);
        foreach (var condition in _query)
        {
            if (!condition.QueryHolds(query))
                return false;
        }
        return true;
    }
}
