namespace Malha.Proxy.Tls;

/// <summary>
/// Which certificate a client gets for the host that it asks for: one that names it, else one whose wildcard covers it (for one label, RFC 6125, 6.4.3), else
/// the first. Of several that would do, the first in the file.
/// </summary>
internal sealed class CertificateTable
{
    private readonly ServerCertificate[] _certificates;
    private readonly Dictionary<string, ServerCertificate> _hosts = new(StringComparer.OrdinalIgnoreCase);
    private readonly Dictionary<string, ServerCertificate> _wildcards = new(StringComparer.OrdinalIgnoreCase);
    private readonly Dictionary<string, ServerCertificate>.AlternateLookup<ReadOnlySpan<char>> _parents;

    public CertificateTable(ServerCertificate[] certificates)
    {
        _certificates = certificates;
        foreach (var certificate in certificates)
        {
            foreach (var host in certificate.Hosts)
            {
                if (host.StartsWith("*.", StringComparison.Ordinal))
                    _wildcards.TryAdd(host[2..], certificate);
                else
                    _hosts.TryAdd(host, certificate);
            }
        }
        _parents = _wildcards.GetAlternateLookup<ReadOnlySpan<char>>();
    }

    public ServerCertificate Find(string? host)
    {
        if (string.IsNullOrEmpty(host))
            return _certificates[0];
        if (_hosts.TryGetValue(host, out var certificate))
            return certificate;
        var dot = host.IndexOf('.', StringComparison.Ordinal);
        return dot > 0 && _parents.TryGetValue(host.AsSpan(dot + 1), out certificate) ? certificate : _certificates[0];
    }
}
