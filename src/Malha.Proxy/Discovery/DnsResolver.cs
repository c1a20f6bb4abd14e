using System.Net.Sockets;
using DnsClient;
using DnsClient.Protocol;
using Malha.Configuration;

namespace Malha.Proxy.Discovery;

/// <summary>
/// Asks DNS. An A record is asked for first, AAAA only where there is none, so that a host with both is one endpoint. Of services those with the lowest priority
/// count (RFC 2782). A name that is not there, or has no addresses, is a failure like any other: it is more often a mistake than a service that is meant to be gone.
/// </summary>
internal sealed class DnsResolver
{
    /// <summary>As many endpoints as a balancer can sensibly hold; what is beyond it is left out.</summary>
    private const int MostTargets = 1000;

    /// <summary>The most that a weight in the file can be; larger ones are scaled down.</summary>
    private const int MostWeight = 1000;

    private readonly LookupClient _client;

    public DnsResolver(DnsConfig config)
    {
        var options = config.Resolvers.Count == 0 ? new LookupClientOptions() : new LookupClientOptions([.. config.Resolvers.Select(server => new NameServer(server))]);
        options.UseCache = false;
        options.Timeout = config.Timeout;
        options.Retries = 1;
        options.ThrowDnsErrors = false;
        options.UseRandomNameServer = false;
        _client = new LookupClient(options);
    }

    public async Task<DnsAnswer> AskAsync(DnsQuestion question, CancellationToken cancellation)
    {
        try
        {
            return question.Kind == EndpointDiscovery.Services ? await ServicesAsync(question.Name, cancellation) : await AddressesAsync(question.Name, cancellation);
        }
        catch (Exception exception) when (exception is DnsResponseException or SocketException or InvalidOperationException or ArgumentException)
        {
            return DnsAnswer.Failed(exception.Message);
        }
    }

    private async Task<DnsAnswer> AddressesAsync(string name, CancellationToken cancellation)
    {
        var answer = await _client.QueryAsync(name, QueryType.A, cancellationToken: cancellation);
        if (!answer.HasError && !answer.Answers.AddressRecords().Any())
            answer = await _client.QueryAsync(name, QueryType.AAAA, cancellationToken: cancellation);
        var records = answer.Answers.AddressRecords().ToArray();
        if (answer.HasError || records.Length == 0)
            return DnsAnswer.Failed(answer.HasError ? answer.ErrorMessage : "the name has no addresses");
        return new DnsAnswer(Ordered(records.Select(record => new DnsTarget(record.Address.ToString(), 0, 1))), TtlOf(answer.Answers));
    }

    private async Task<DnsAnswer> ServicesAsync(string name, CancellationToken cancellation)
    {
        var answer = await _client.QueryAsync(name, QueryType.SRV, cancellationToken: cancellation);
        // A lone "." says that there is no such service (RFC 2782).
        var records = answer.Answers.SrvRecords().Where(record => record.Target.Value != ".").ToArray();
        if (answer.HasError || records.Length == 0)
            return DnsAnswer.Failed(answer.HasError ? answer.ErrorMessage : "the name has no services");

        var first = records.Min(record => record.Priority);
        var chosen = records.Where(record => record.Priority == first).Take(MostTargets).ToArray();
        var heaviest = Math.Max(chosen.Max(record => (int)record.Weight), MostWeight);
        var ttl = TtlOf(answer.Answers);
        var targets = new List<DnsTarget>();
        string? problem = null;
        foreach (var record in chosen)
        {
            var weight = Math.Max(1, record.Weight * MostWeight / heaviest);
            // A server that is kind has sent the addresses too.
            var known = answer.Additionals.AddressRecords().Where(address => address.DomainName.Equals(record.Target)).ToArray();
            var addresses = known.Length > 0 ? new DnsAnswer([.. known.Select(address => new DnsTarget(address.Address.ToString(), 0, 1))], TtlOf(known))
                : await AddressesAsync(record.Target.Value, cancellation);
            if (addresses.Problem is not null)
            {
                problem = $"{record.Target.Value}: {addresses.Problem}";
                continue;
            }
            ttl = TimeSpan.FromTicks(Math.Min(ttl.Ticks, addresses.Ttl.Ticks));
            targets.AddRange(addresses.Targets.Select(target => target with { Port = record.Port, Weight = weight }));
        }
        return targets.Count == 0 ? DnsAnswer.Failed(problem!) : new DnsAnswer(Ordered(targets), ttl);
    }

    private static DnsTarget[] Ordered(IEnumerable<DnsTarget> targets) =>
        [.. targets.DistinctBy(target => (target.Address, target.Port)).OrderBy(target => target.Address, StringComparer.Ordinal).ThenBy(target => target.Port).Take(MostTargets)];

    private static TimeSpan TtlOf(IEnumerable<DnsResourceRecord> records) => TimeSpan.FromSeconds(records.Min(record => record.InitialTimeToLive));
}
