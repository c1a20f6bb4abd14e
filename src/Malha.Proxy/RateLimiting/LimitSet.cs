using System.Globalization;
using System.Text;
using Malha.Configuration;

namespace Malha.Proxy.RateLimiting;

/// <summary>The limits that hold at once for a client, or for each client of a route.</summary>
internal sealed class LimitSet
{
    private LimitSet(LimitModel[] limits)
    {
        Limits = limits;
        PolicyLine = Encoding.ASCII.GetBytes($"RateLimit-Policy: {string.Join(", ", limits.Select(limit => limit.PolicyText))}\r\n");
    }

    public LimitModel[] Limits { get; }

    /// <summary>The whole field line that tells them.</summary>
    public byte[] PolicyLine { get; }

    /// <summary>Null when there is none.</summary>
    /// <param name="configs">The settings.</param>
    /// <param name="owner">Whose they are; with the place among those of the same scope it is a limit's identity, which new rates do not change.</param>
    /// <param name="policy">What the RateLimit fields call the first one; the others get a number behind it.</param>
    /// <param name="limiter">Where they are counted.</param>
    public static LimitSet? Compile(ConfigList<LimitConfig> configs, string owner, string policy, RateLimiter limiter)
    {
        if (configs.Count == 0)
            return null;
        var seen = new Dictionary<LimitScope, int>();
        var limits = new LimitModel[configs.Count];
        for (var index = 0; index < limits.Length; index++)
        {
            var scope = configs[index].Per;
            var place = seen.GetValueOrDefault(scope);
            seen[scope] = place + 1;
            var id = limiter.IdOf(string.Create(CultureInfo.InvariantCulture, $"{owner}\0{(int)scope}\0{place}"));
            var sharedName = string.Create(CultureInfo.InvariantCulture, $"{owner.Replace('\0', ':')}:{scope}:{place}");
            limits[index] = new LimitModel(configs[index], id, sharedName, index == 0 ? policy : string.Create(CultureInfo.InvariantCulture, $"{policy}.{index}"));
        }
        return new LimitSet(limits);
    }
}
