using Malha.Configuration;
using Malha.Proxy.Telemetry.Logging;

namespace Malha.Proxy.Discovery;

/// <summary>
/// Finds the endpoints that the configuration names by DNS, and tells when there are others. Nothing is made, and no library loaded, while it names none. One caller at
/// a time for everything but reading.
/// </summary>
internal sealed class DnsWatch(TimeProvider time, EventLog events, Action changed) : IDisposable
{
    /// <summary>How long a start or a reload waits for names that are new; after that they have no endpoints until they are found.</summary>
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(5);

    private Dictionary<DnsQuestion, DnsName> _names = [];
    private DnsConfig? _config;
    private DnsResolver? _resolver;

    /// <summary>All names that are watched.</summary>
    public IReadOnlyCollection<DnsName> Names => Volatile.Read(ref _names).Values;

    /// <summary>Asks for the names of a configuration that are not known yet, and waits for them a while. Those that only an earlier one had stay.</summary>
    public async Task PrepareAsync(MalhaConfig config)
    {
        var questions = Questions(config);
        if (questions.Count == 0)
            return;
        if (_resolver is null || _config != config.Dns)
        {
            _config = config.Dns;
            _resolver = new DnsResolver(config.Dns);
            foreach (var known in _names.Values)
                known.Update(config.Dns, _resolver);
        }

        var names = new Dictionary<DnsQuestion, DnsName>(_names);
        var added = new List<Task>();
        foreach (var question in questions.Where(question => !names.ContainsKey(question)))
        {
            names.Add(question, new DnsName(question, config.Dns, _resolver, time, events, changed));
            added.Add(names[question].Asked);
        }
        Volatile.Write(ref _names, names);
        await Task.WhenAny(Task.WhenAll(added), Task.Delay(Patience, time));
    }

    /// <summary>Forgets the names that a configuration in force does not have.</summary>
    public void Follow(MalhaConfig config)
    {
        if (_names.Count == 0)
            return;
        var questions = Questions(config);
        var names = new Dictionary<DnsQuestion, DnsName>();
        foreach (var (question, name) in _names)
        {
            if (questions.Contains(question))
                names.Add(question, name);
            else
                name.Dispose();
        }
        Volatile.Write(ref _names, names);
    }

    /// <summary>The endpoints that a line of the file stands for: itself, or what DNS says now.</summary>
    public IEnumerable<EndpointConfig> Find(EndpointConfig endpoint)
    {
        if (endpoint.Discovery == EndpointDiscovery.None)
            return [endpoint];
        var targets = Volatile.Read(ref _names).GetValueOrDefault(DnsQuestion.Of(endpoint))?.Targets ?? [];
        return targets.Select(target => Found(endpoint, target));
    }

    public void Dispose()
    {
        foreach (var name in _names.Values)
            name.Dispose();
    }

    private static HashSet<DnsQuestion> Questions(MalhaConfig config) =>
        [.. config.Services.Values.SelectMany(service => service.Endpoints).Where(endpoint => endpoint.Discovery != EndpointDiscovery.None).Select(DnsQuestion.Of)];

    private static EndpointConfig Found(EndpointConfig endpoint, DnsTarget target)
    {
        var host = target.Address.Contains(':', StringComparison.Ordinal) ? $"[{target.Address}]" : target.Address;
        var url = new UriBuilder(endpoint.Url.Scheme, host, target.Port == 0 ? endpoint.Url.Port : target.Port).Uri;
        return endpoint with { Url = url, Discovery = EndpointDiscovery.None, FoundUnder = endpoint.Url.Host, Weight = endpoint.Weight * target.Weight };
    }
}
