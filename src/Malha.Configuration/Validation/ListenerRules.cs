using Malha.Configuration.Reading;

namespace Malha.Configuration.Validation;

/// <summary>No two listeners, the admin API's included, want the same address; keys belong to their certificates.</summary>
internal static class ListenerRules
{
    public static void Check(MalhaConfig config, ErrorList errors)
    {
        var ports = new Dictionary<int, TakenPort>();
        foreach (var listener in config.Listeners.Values)
        {
            Take(listener.Address, listener.Source, ports, errors);
            if (listener.Tls is { Source.IsBroken: false } tls)
                CheckCertificates(tls, errors);
        }
        if (config.Admin is { } admin)
            Take(admin.Address, admin.Source, ports, errors);
    }

    private static void CheckCertificates(ListenerTlsConfig tls, ErrorList errors)
    {
        for (var index = 0; index < tls.Certificates.Count; index++)
        {
            if (tls.Certificates[index] is not { Certificate: { } certificate, Key: { } key } pair)
                continue;
            // The short form has no place of its own.
            var source = tls.Source.Says("certificates") ? pair.Source : tls.Source;
            if (CertificateFiles.WhyNoPair(certificate, key) is { } problem)
                errors.Add(source.Of("key"), problem);
            else if (index > 0 && !CertificateFiles.NamesAHost(certificate))
                errors.Add(source.Of("certificate"), "the certificate names no host (it has no DNS name among its subject alternative names), so that no client would get it; only the first one needs none");
        }
    }

    private static void Take(ListenAddress address, SourceSpan source, Dictionary<int, TakenPort> ports, ErrorList errors)
    {
        // Port 0 is any free port, as often as one likes.
        if (address.Port == 0 || source.IsBroken)
            return;
        if (!ports.TryGetValue(address.Port, out var port))
            ports[address.Port] = port = new TakenPort();

        var place = source.Of("address");
        if (port.Find(address.Host) is { } other)
            errors.Add(place, $"{address} is taken by {other.Path} ({other})");
        else
            port.Add(address.Host, place);
    }

    /// <summary>The hosts that are taken on one port. Addresses of all interfaces overlap with every host, localhost with the two that it stands for.</summary>
    private sealed class TakenPort
    {
        private readonly Dictionary<string, SourceSpan> _hosts = new(StringComparer.Ordinal);
        private SourceSpan? _first;
        private SourceSpan? _any;

        public SourceSpan? Find(string host) => host switch
        {
            _ when IsAny(host) => _first,
            _ when _any is not null => _any,
            "localhost" => _hosts.GetValueOrDefault(host) ?? _hosts.GetValueOrDefault("127.0.0.1") ?? _hosts.GetValueOrDefault("::1"),
            "127.0.0.1" or "::1" => _hosts.GetValueOrDefault(host) ?? _hosts.GetValueOrDefault("localhost"),
            _ => _hosts.GetValueOrDefault(host),
        };

        public void Add(string host, SourceSpan place)
        {
            _hosts.Add(host, place);
            _first ??= place;
            if (IsAny(host))
                _any = place;
        }

        private static bool IsAny(string host) => host is "*" or "0.0.0.0" or "::";
    }
}
