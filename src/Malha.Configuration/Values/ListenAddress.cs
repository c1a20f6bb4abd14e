using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using System.Net;

namespace Malha.Configuration;

/// <summary>
/// Where to listen: an IP address, <c>localhost</c> (both loopback addresses) or <c>*</c> (all of them), and a port (0: any free one).
/// </summary>
public sealed record ListenAddress
{
    private ListenAddress(string host, int port)
    {
        Host = host;
        Port = port;
    }

    /// <summary>An IP address in its canonical form without brackets, <c>localhost</c>, or <c>*</c>.</summary>
    public string Host { get; }

    public int Port { get; }

    /// <summary>The address to bind; null for <c>localhost</c> and <c>*</c>, which stand for two.</summary>
    public IPAddress? Ip => IPAddress.TryParse(Host, out var ip) ? ip : null;

    /// <summary>Whether only programs on this machine can reach it.</summary>
    public bool IsLoopback => Host == "localhost" || (Ip is { } ip && IPAddress.IsLoopback(ip));

    /// <summary>Reads <c>127.0.0.1:8080</c>, <c>[::1]:8080</c>, <c>localhost:8080</c> or <c>*:8080</c>.</summary>
    public static bool TryParse(string text, [NotNullWhen(true)] out ListenAddress? address)
    {
        address = null;
        var colon = text.LastIndexOf(':');
        if (colon <= 0 || !TryParsePort(text.AsSpan(colon + 1), out var port))
            return false;

        var host = text[..colon];
        if (host is "localhost" or "*")
        {
            address = new ListenAddress(host, port);
            return true;
        }

        var bracketed = host.StartsWith('[') && host.EndsWith(']');
        if (!IPAddress.TryParse(bracketed ? host[1..^1] : host, out var ip) || bracketed != host.Contains(':', StringComparison.Ordinal))
            return false;
        // IPAddress.TryParse also takes 127.1 and 0x7f000001; an address that reads as another one is refused.
        if (!bracketed && ip.ToString() != host)
            return false;

        address = new ListenAddress(ip.ToString(), port);
        return true;
    }

    /// <exception cref="FormatException">The text is not an address and a port.</exception>
    public static ListenAddress Parse(string text) =>
        TryParse(text, out var address) ? address : throw new FormatException($"'{text}' is not an address such as 127.0.0.1:8080 or [::1]:8080");

    public override string ToString() =>
        Host.Contains(':', StringComparison.Ordinal)
            ? string.Create(CultureInfo.InvariantCulture, $"[{Host}]:{Port}")
            : string.Create(CultureInfo.InvariantCulture, $"{Host}:{Port}");

    internal static bool TryParsePort(ReadOnlySpan<char> text, out int port) =>
        int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out port) && port <= 65535 && text.Length <= 5;
}
