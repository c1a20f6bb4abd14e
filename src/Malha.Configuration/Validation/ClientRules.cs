using System.Globalization;
using System.Net;
using Malha.Configuration.Reading;
using Malha.Resilience;

namespace Malha.Configuration.Validation;

/// <summary>References and contradictions of clients and their classes. A key, a header value or a network that says who calls says so of one client.</summary>
internal static class ClientRules
{
    /// <summary>Every request is searched for each of them.</summary>
    private const int HeadersAtMost = 16;

    public static void Check(MalhaConfig config, ErrorList errors, Suggestion suggestion)
    {
        CheckClasses(config, errors);
        var classes = config.Classes.Select(one => one.Name).ToArray();
        var known = new Known(errors);
        ClientConfig? everybody = null;
        foreach (var client in config.Clients)
        {
            if (client.Class is { } name && !classes.Contains(name))
                errors.Add(client.Source.Of("class"), $"there is no class {Printable.Quote(name)}", suggestion.Nearest(name, classes), RouteRules.Shown(classes, "a name that stands under classes"));
            foreach (var limit in client.Limits)
                CheckLimit(limit, errors);
            if (client.Source.IsBroken)
                continue;
            if (everybody is not null)
                errors.Add(client.Source, $"never matches: {everybody.Source.Path} ({everybody.Source}) before it is everybody");
            CheckRecognition(client, errors);
            known.Add(client);
            everybody ??= client.Any ? client : null;
        }
    }

    public static void CheckLimit(LimitConfig limit, ErrorList errors)
    {
        if (limit.Source.IsBroken)
            return;
        var options = new RateLimitOptions { Limit = limit.Rate.Count, Period = limit.Rate.Per, Burst = limit.Burst };
        foreach (var error in options.Validate())
            errors.Add(limit.Source.Of(error.Option == nameof(RateLimitOptions.Burst) ? "burst" : "rate"), $"the {(error.Option == nameof(RateLimitOptions.Burst) ? "burst" : "rate")} {error.Problem}");
        var burst = new Gcra(options).Burst;
        if (limit.Cost > burst)
            errors.Add(limit.Source.Of("cost"), string.Create(CultureInfo.InvariantCulture, $"a request costs {limit.Cost} and no more than {burst} may come at once, so that none would pass"));
    }

    private static void CheckRecognition(ClientConfig client, ErrorList errors)
    {
        if (client.Source.Says("any") && !client.Any)
            errors.Add(client.Source.Of("any"), "any is true or left out");
        else if (client.Any && (client.ApiKeys.Count > 0 || client.Header is not null || client.Addresses.Count > 0))
            errors.Add(client.Source.Of("any"), "any is everybody, so that nothing else can tell who it is");
        else if (!client.Any && client.ApiKeys.Count == 0 && client.Header is null && client.Addresses.Count == 0)
            errors.Add(client.Source, "how the client is recognised is missing", allowed: "apiKey, header, address or any");
        if (client is { ApiKeys.Count: > 0, Header: not null })
            errors.Add(client.Source.Of("header"), "apiKey already says who the client is", allowed: "one of apiKey and header");
        if (client.ForwardCredentials && client.ApiKeys.Count == 0 && client.Header?.SecretOrigin is null)
            errors.Add(client.Source.Of("forwardCredentials"), "the client has no credentials that could be forwarded");
    }

    private static void CheckClasses(MalhaConfig config, ErrorList errors)
    {
        if (config.Classes.Count > Malha.Resilience.Defaults.AdmissionClassesAtMost)
            errors.Add(config.Source.Of("classes"), $"there are more than {Malha.Resilience.Defaults.AdmissionClassesAtMost} classes");
        // Added up in decimals, in which 33.4% + 33.3% + 33.3% is 100%.
        var sum = 0m;
        foreach (var one in config.Classes)
        {
            if (one.Source.IsBroken)
                return;
            if (one.Share == 0)
                errors.Add(one.Source.Of("share"), "a class with no share would never be served under load");
            sum += (decimal)one.Share;
            if (sum > 1 && sum - (decimal)one.Share <= 1)
                errors.Add(one.Source.Of("share"), $"the shares up to here are {Units.FormatShare((double)sum)}", allowed: "100% for all classes together");
        }
    }

    /// <summary>What has been seen to tell who calls.</summary>
    private sealed class Known(ErrorList errors)
    {
        private readonly Dictionary<Secret, SourceSpan> _keys = [];
        private readonly Dictionary<string, Dictionary<string, HeaderConfig>> _headers = new(StringComparer.OrdinalIgnoreCase);
        private readonly Dictionary<IPNetwork, SourceSpan> _networks = [];

        public void Add(ClientConfig client)
        {
            foreach (var key in client.ApiKeys)
            {
                if (!_keys.TryAdd(key, client.Source.Of("apiKey")))
                    errors.Add(client.Source.Of("apiKey"), $"the key from {Printable.Quote(key.Origin)} is that of {_keys[key].Path} ({_keys[key]}) too");
            }
            if (client.Header is { } header)
                AddHeader(header);
            else if (client.ApiKeys.Count == 0)
            {
                foreach (var network in client.Addresses)
                {
                    if (!_networks.TryAdd(network, client.Source.Of("address")))
                        errors.Add(client.Source.Of("address"), $"{network} is one of {_networks[network].Path} ({_networks[network]}) already");
                }
            }
        }

        private void AddHeader(HeaderConfig header)
        {
            if (!_headers.TryGetValue(header.Name, out var values))
            {
                _headers.Add(header.Name, values = new Dictionary<string, HeaderConfig>(StringComparer.Ordinal));
                if (_headers.Count == HeadersAtMost + 1)
                    errors.Add(header.Source, $"more than {HeadersAtMost} different header fields tell clients apart");
            }
            if (values.Values.FirstOrDefault() is { } other && (other.SecretOrigin is null) != (header.SecretOrigin is null))
                errors.Add(header.Source.Of("value"), $"{other.Source.Of("value").Path} ({other.Source.Of("value")}) is {(other.SecretOrigin is null ? "no" : "a")} secret; {header.Name} is a credential or a label");
            else if (!values.TryAdd(header.Value, header))
                errors.Add(header.Source.Of("value"), $"the value is that of {values[header.Value].Source.Of("value").Path} ({values[header.Value].Source.Of("value")}) too");
        }
    }
}
