using System.Globalization;
using System.Text;
using Malha.Configuration;
using Malha.Resilience;

namespace Malha.Proxy.RateLimiting;

/// <summary>One limit, compiled: of a client, or of a route instead of its clients'.</summary>
internal sealed class LimitModel
{
    public const string Unit = "requests";

    private readonly TimeSpan _emission;
    private Part? _part;

    /// <param name="config">The settings.</param>
    /// <param name="id">Tells it apart from all others, and stays the same over reloads.</param>
    /// <param name="sharedName">The same for all gateways with the same file.</param>
    /// <param name="policy">What the RateLimit fields call it.</param>
    public LimitModel(LimitConfig config, ulong id, string sharedName, string policy)
    {
        Config = config;
        Id = id;
        SharedName = sharedName;
        Policy = policy;
        Gcra = new Gcra(new RateLimitOptions { Limit = config.Rate.Count, Period = config.Rate.Per, Burst = config.Burst });
        _emission = config.Rate.Per / config.Rate.Count;
        var (quota, window) = WholeQuota(config.Rate);
        PolicyText = string.Create(CultureInfo.InvariantCulture, $"\"{policy}\";q={quota};w={window}");
        PolicyName = Encoding.ASCII.GetBytes($"\"{policy}\"");
        Detail = $"{config.Rate} are allowed, and {Gcra.Burst.ToString(CultureInfo.InvariantCulture)} at once"
            + (config.Per == LimitScope.Ip ? ", for each address" : "")
            + (config.Cost > 1 ? $"; this request counts as {config.Cost.ToString(CultureInfo.InvariantCulture)}" : "");
    }

    public LimitConfig Config { get; }

    public Gcra Gcra { get; }

    public ulong Id { get; }

    /// <summary>What a store in which gateways count together calls it.</summary>
    public string SharedName { get; }

    public string Policy { get; }

    /// <summary>Its path in the configuration.</summary>
    public string Rule => Config.Source.Path;

    /// <summary>An item of the field RateLimit-Policy.</summary>
    public string PolicyText { get; }

    /// <summary>The name as a structured string.</summary>
    public byte[] PolicyName { get; }

    /// <summary>What a refusal says.</summary>
    public string Detail { get; }

    /// <summary>An even part of it, for a gateway that cannot ask the others.</summary>
    public Gcra PartOf(int gateways)
    {
        if (gateways <= 1)
            return Gcra;
        var part = Volatile.Read(ref _part);
        if (part is null || part.Gateways != gateways)
        {
            part = new Part(gateways, new Gcra(Gcra.Options with { Limit = Gcra.Options.Limit / gateways, Burst = Math.Max(1, Gcra.Burst / gateways) }));
            Volatile.Write(ref _part, part);
        }
        return part.Gcra;
    }

    /// <summary>How long until another request is allowed after one that left this; zero when one is at once.</summary>
    public TimeSpan NextAfter(in RateLimitDecision decision)
    {
        if (!decision.Allowed)
            return decision.RetryAfter;
        var next = decision.ResetAfter + (_emission * Config.Cost) - (_emission * Gcra.Burst);
        return next > TimeSpan.Zero ? next : TimeSpan.Zero;
    }

    // The fields count in whole requests and whole seconds: 1.5/s is 3 in 2 s.
    private static (long Quota, long Window) WholeQuota(Rate rate)
    {
        var seconds = (long)rate.Per.TotalSeconds;
        for (var times = 1; times <= 1000; times++)
        {
            var quota = rate.Count * times;
            if (Math.Abs(quota - Math.Round(quota)) < 1e-9 && quota >= 1)
                return ((long)Math.Round(quota), seconds * times);
        }
        return rate.Count * 1000 >= 1 ? ((long)(rate.Count * 1000), seconds * 1000) : (1, (long)Math.Ceiling(seconds / rate.Count));
    }

    private sealed record Part(int Gateways, Gcra Gcra);
}
