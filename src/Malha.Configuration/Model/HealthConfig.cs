namespace Malha.Configuration;

/// <summary>How Malha finds out whether the endpoints of a service are healthy. One of path, steps, grpc and tcp says what is checked.</summary>
public sealed record HealthConfig : ConfigItem
{
    /// <summary>One GET of this path; the short form of a single step.</summary>
    public string? Path { get; init; }

    /// <summary>What the answer to <see cref="Path"/> must be; of other checks only its time.</summary>
    public HealthExpectConfig Expect { get; init; } = new();

    /// <summary>Requests one after the other, over one connection; the first that fails fails the check.</summary>
    public ConfigList<HealthStepConfig> Steps { get; init; } = [];

    /// <summary>The name of a gRPC service that grpc.health.v1 is asked for; empty for the server as a whole, null for no such check.</summary>
    public string? Grpc { get; init; }

    /// <summary>A connection is opened and closed again.</summary>
    public bool Tcp { get; init; }

    /// <summary>What a PostgreSQL endpoint is asked.</summary>
    public string Query { get; init; } = Defaults.HealthQuery.Value;

    /// <summary>From the beginning of one check to the beginning of the next, give or take 10 %.</summary>
    public TimeSpan Every { get; init; } = Defaults.HealthEvery.Value;

    /// <summary>How long a whole check may take, its steps together.</summary>
    public TimeSpan Timeout { get; init; } = Defaults.HealthTimeout.Value;

    /// <summary>Successes in a row that make an unhealthy endpoint healthy.</summary>
    public int Rise { get; init; } = Defaults.HealthRise.Value;

    /// <summary>Failures in a row that make a healthy endpoint unhealthy.</summary>
    public int Fall { get; init; } = Defaults.HealthFall.Value;

    /// <summary>How long a recovered endpoint takes to get its full weight; null: at once.</summary>
    public TimeSpan? SlowStart { get; init; } = Defaults.HealthSlowStart.Value;

    /// <summary>Whether an endpoint whose real traffic fails more than the others' is left out for a while.</summary>
    public bool Ejection { get; init; } = Defaults.HealthEjection.Value;

    /// <summary>Checked services that this one needs: a failed check is put down to the one that is unhealthy itself.</summary>
    public ConfigList<string> DependsOn { get; init; } = [];

    /// <summary>Whether an http or https endpoint is checked by itself; others always are.</summary>
    public bool IsActive => Path is not null || Steps.Count > 0 || Grpc is not null || Tcp;

    /// <summary>The policy in one line, for people: <c>GET /health every 5s (timeout 1s), unhealthy after 3 failures, healthy after 2 successes</c>.</summary>
    public string Describe()
    {
        var what = Path is not null ? $"GET {Path}" : Steps.Count > 0 ? string.Join(", then ", Steps.Select(step => $"{step.Method} {step.Path}"))
            : Grpc is { Length: 0 } ? "grpc.health.v1" : Grpc is not null ? $"grpc.health.v1 of {Grpc}" : Tcp ? "tcp" : "not checked, only watched";
        return !IsActive ? what
            : $"{what} every {Units.Format(Every)} (timeout {Units.Format(Timeout)}), unhealthy after {Fall} failures, healthy after {Rise} successes"
                + (SlowStart is { } slow ? $", then slow start over {Units.Format(slow)}" : "");
    }
}
