using System.Net;

namespace Malha.Configuration;

/// <summary>Who calls: how requests of this client are recognised, and how much it may. A key or a header may be bound to addresses.</summary>
public sealed record ClientConfig : ConfigItem
{
    public required string Name { get; init; }

    /// <summary>Any of these in <c>X-Api-Key</c>; empty: no key is asked for.</summary>
    public ConfigList<Secret> ApiKeys { get; init; } = [];

    /// <summary>A header field with exactly this value; null: none is asked for.</summary>
    public HeaderConfig? Header { get; init; }

    /// <summary>Networks that the client's address lies in; empty: anywhere.</summary>
    public ConfigList<IPNetwork> Addresses { get; init; } = [];

    /// <summary>Whether it is everybody that no client before it is.</summary>
    public bool Any { get; init; }

    /// <summary>The name of its class; null: the last one.</summary>
    public string? Class { get; init; }

    /// <summary>What it may; all of them hold at once. Empty: no limit.</summary>
    public ConfigList<LimitConfig> Limits { get; init; } = [];

    /// <summary>Whether the service sees the credentials that the client was recognised by.</summary>
    public bool ForwardCredentials { get; init; } = Defaults.ForwardCredentials.Value;
}

/// <summary>A class of clients: what it is guaranteed of each service's concurrency, and what of that it lends.</summary>
public sealed record ClassConfig : ConfigItem
{
    public required string Name { get; init; }

    /// <summary>More than 0, at most 1; together with the other classes' at most 1.</summary>
    public double Share { get; init; }

    /// <summary>From 0 to 1: the part of its share that others may use while it does not.</summary>
    public double Lend { get; init; } = Defaults.ClassLend.Value;
}

/// <summary>So many requests in so long, and so many at once after a pause.</summary>
public sealed record LimitConfig : ConfigItem
{
    public Rate Rate { get; init; }

    /// <summary>Requests that may come at once; null: as many as the rate has in its period, at least one.</summary>
    public int? Burst { get; init; }

    public LimitScope Per { get; init; } = Defaults.LimitPer.Value;

    /// <summary>How many of the rate's units one request takes.</summary>
    public int Cost { get; init; } = Defaults.LimitCost.Value;
}

/// <summary>Whose requests a limit counts together.</summary>
public enum LimitScope
{
    /// <summary>All requests of the client.</summary>
    Client,

    /// <summary>Those of one address: IPv4 /32, IPv6 /64.</summary>
    Ip,
}

/// <summary>Whether a route serves callers that nobody knows.</summary>
public enum AuthKind
{
    /// <summary>It serves everybody.</summary>
    Optional,

    /// <summary>It serves clients that are recognised by something, not by <c>any</c>.</summary>
    Required,
}
