using System.Text;
using Malha.Proxy.Http1;

namespace Malha.Proxy.Routing;

/// <summary>Which hosts a route takes, and how specific that is.</summary>
internal sealed class HostModel : IComparable<HostModel>
{
    /// <param name="host">A host, <c>*.example.org</c>, or null for any.</param>
    public HostModel(string? host)
    {
        if (host is null)
            return;
        IsWildcard = host.StartsWith("*.", StringComparison.Ordinal);
        Name = Encoding.ASCII.GetBytes(host[(IsWildcard ? 2 : 0)..].TrimEnd('.'));
        Labels = Name.AsSpan().Count((byte)'.') + 1;
    }

    /// <summary>The host, or what stands behind the wildcard; null for any.</summary>
    public byte[]? Name { get; }

    public bool IsWildcard { get; }

    public int Labels { get; }

    public bool Takes(ReadOnlySpan<byte> host)
    {
        if (Name is null)
            return true;
        if (!IsWildcard)
            return HttpSyntax.EqualsIgnoreCase(host, Name);
        // At least one byte and the dot stand before it.
        return host.Length >= Name.Length + 2 && host[^(Name.Length + 1)] == (byte)'.' && HttpSyntax.EqualsIgnoreCase(host[^Name.Length..], Name);
    }

    /// <summary>Names first, then wildcards with more labels, then any host.</summary>
    public int CompareTo(HostModel? other)
    {
        ArgumentNullException.ThrowIfNull(other);
        var order = Class.CompareTo(other.Class);
        return order != 0 || !IsWildcard ? order : other.Labels.CompareTo(Labels);
    }

    private int Class => Name is null ? 2 : IsWildcard ? 1 : 0;
}
