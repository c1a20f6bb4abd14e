namespace Malha.Configuration;

/// <summary>How limits are counted that several gateways share.</summary>
public enum SharingMode
{
    /// <summary>A gateway takes some of each limit ahead and settles many times a second: requests wait for nothing.</summary>
    Leases,

    /// <summary>Each request asks the store.</summary>
    Exact,
}

/// <summary>Where gateways count limits together: those of clients and routes, services' capacities, and the floors of their retry budgets.</summary>
public sealed record LimitsConfig : ConfigItem
{
    /// <summary>A server that speaks Redis' protocol; never with a user or password.</summary>
    public required Uri Shared { get; init; }

    /// <summary>Who logs in; null: the server's default user.</summary>
    public string? User { get; init; }

    public Secret? Password { get; init; }

    public SharingMode Mode { get; init; } = Defaults.LimitsMode.Value;

    /// <summary>How long a request waits for the store in the exact mode, before it is counted here.</summary>
    public TimeSpan Timeout { get; init; } = Defaults.LimitsTimeout.Value;

    public bool IsTls => Shared.Scheme == "rediss";
}
