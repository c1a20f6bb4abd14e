using System.Text.Json;

namespace Malha.Bench.Overload.Load;

/// <summary>What the clients do, as the driver writes it. Seconds count from the beginning of the run.</summary>
internal sealed record Plan
{
    private static readonly JsonSerializerOptions Json = new(JsonSerializerDefaults.Web);

    public required double Seconds { get; init; }

    public int Seed { get; init; } = 1;

    public double DeadlineMs { get; init; } = 1000;

    /// <summary>Further attempts after a failure or a timeout, at once.</summary>
    public int Retries { get; init; }

    /// <summary>What the service can serve per second, for the goodput of all streams together.</summary>
    public double? Capacity { get; init; }

    public required IReadOnlyList<StreamPlan> Streams { get; init; }

    public IReadOnlyList<HeldPlan> Held { get; init; } = [];

    public IReadOnlyList<ActionPlan> Actions { get; init; } = [];

    public IReadOnlyList<WindowPlan> Windows { get; init; } = [];

    /// <summary>The second at which the trigger ends, for "back"; null: there is none.</summary>
    public int? TriggerEnds { get; init; }

    /// <summary>Answers at once; where the clients' own code gets warm.</summary>
    public required string WarmUrl { get; init; }

    public static Plan Read(string path) =>
        JsonSerializer.Deserialize<Plan>(File.ReadAllText(path), Json) ?? throw new InvalidDataException($"{path} is empty");

    public static string Write<T>(T report) => JsonSerializer.Serialize(report, Json);
}

/// <summary>Calls of one kind: Poisson arrivals, and bursts of calls at one moment.</summary>
internal sealed record StreamPlan
{
    public required string Name { get; init; }

    public required string Url { get; init; }

    public IReadOnlyDictionary<string, string> Headers { get; init; } = new Dictionary<string, string>();

    /// <summary>Each entry holds until the next one, in order of time.</summary>
    public IReadOnlyList<RatePlan> Rates { get; init; } = [];

    public IReadOnlyList<BurstPlan> Bursts { get; init; } = [];

    public double? Capacity { get; init; }
}

internal sealed record RatePlan(double From, double PerSecond);

internal sealed record BurstPlan(double At, int Calls);

/// <summary>Connections that stay open for the whole run.</summary>
/// <param name="Url">Where they go.</param>
/// <param name="Count">How many.</param>
/// <param name="WebSocket">An upgrade to WebSocket, or a GET whose answer does not end.</param>
internal sealed record HeldPlan(string Url, int Count, bool WebSocket);

/// <summary>A POST at an exact moment: how a fault is triggered.</summary>
internal sealed record ActionPlan(double At, string Url);

internal sealed record WindowPlan(string Name, double From, double To);
