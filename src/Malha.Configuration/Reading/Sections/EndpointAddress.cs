using System.Globalization;

namespace Malha.Configuration.Reading.Sections;

/// <summary>What the URL of an endpoint says. User and password are taken out of it, so that it can be shown everywhere.</summary>
internal readonly record struct EndpointAddress(Uri Url, string? User, Secret? Password, EndpointDiscovery Discovery = EndpointDiscovery.None)
{
    /// <summary>Stands in a record until its URL is read, which is required.</summary>
    public static readonly Uri Unset = new("http://unset.invalid/");

    /// <summary>Reads a URL, or host and port. A message never repeats a text that may hold a password.</summary>
    public static string? Read(string text, out EndpointAddress address)
    {
        address = new EndpointAddress(Unset, null, null);
        var scheme = text.IndexOf("://", StringComparison.Ordinal);
        if (scheme > 0 && text[..scheme] is "postgres" or "postgresql" or "redis" or "rediss")
            return ReadStore(text, ref address);
        if (text.Contains('@', StringComparison.Ordinal))
            return "an endpoint has no user or password";
        if (scheme > 0 && text[..scheme] is "dns" or "dns+https" or "srv" or "srv+https")
            return ReadName(text, scheme, ref address);
        if (IsNoText(text))
            return $"{Printable.Quote(text)} is not a URL in ASCII";

        var hasScheme = scheme >= 0;
        if (!Uri.TryCreate(hasScheme ? text : "http://" + text, UriKind.Absolute, out var read))
            return $"{Printable.Quote(text)} is not a URL";
        if (EndpointConfig.WhyNot(read) is { } problem)
            return $"{Printable.Quote(text)}: {problem}";
        if (!hasScheme && !text.EndsWith(":" + read.Port, StringComparison.Ordinal))
            return $"{Printable.Quote(text)} needs http:// or https:// before it, or a port behind it";

        // Uri reads 127.1 and 0x7f.1 as 127.0.0.1; an address is written as what it is.
        var host = hasScheme ? text[(scheme + 3)..] : text;
        if (read.HostNameType == UriHostNameType.IPv4 && !host.StartsWith(read.Host, StringComparison.Ordinal))
            return $"{Printable.Quote(text)} is another way to write {read.Host}; write that";

        address = new EndpointAddress(read, null, null);
        return null;
    }

    public override string ToString()
    {
        if (Discovery != EndpointDiscovery.None)
            return new EndpointConfig { Url = Url, Discovery = Discovery }.Text;
        var authority = Url.GetLeftPart(UriPartial.Authority);
        var path = Url.AbsolutePath.Length > 1 ? Url.AbsolutePath : "";
        return User is null ? authority + path : authority.Replace("://", $"://{Uri.EscapeDataString(User)}@", StringComparison.Ordinal) + path;
    }

    // dns://name:port, srv://_http._tcp.name, and both with +https. Written as the http or https URL that its endpoints have.
    private static string? ReadName(string text, int scheme, ref EndpointAddress address)
    {
        var isService = text.StartsWith("srv", StringComparison.Ordinal);
        var name = text[(scheme + 3)..];
        var colon = name.IndexOf(':', StringComparison.Ordinal);
        var host = colon < 0 ? name : name[..colon];
        if (isService && colon >= 0)
            return $"{Printable.Quote(text)}: the port of a service is what DNS says";
        if (!isService && (colon < 0 || !ushort.TryParse(name.AsSpan(colon + 1), NumberStyles.None, CultureInfo.InvariantCulture, out var port) || port == 0))
            return $"{Printable.Quote(text)} needs a port from 1 to 65535 behind the name";
        if (HttpSyntax.ReadHost(host, out var lower) is { } problem)
            return problem;
        if (System.Net.IPAddress.TryParse(host, out _))
            return $"{Printable.Quote(text)} is an address already; write http:// or https:// before it";
        var isTls = text.AsSpan(0, scheme).EndsWith("+https");
        var url = new Uri($"{(isTls ? "https" : "http")}://{lower}{(colon < 0 ? "" : name[colon..])}");
        address = new EndpointAddress(url, null, null, isService ? EndpointDiscovery.Services : EndpointDiscovery.Addresses);
        return null;
    }

    // postgres://user:password@host:port/database, redis://user:password@host:port
    private static string? ReadStore(string text, ref EndpointAddress address)
    {
        const string What = "the endpoint is not a URL such as postgres://user@host:5432/database or redis://host:6379";
        if (IsNoText(text) || !Uri.TryCreate(text, UriKind.Absolute, out var read) || read.Host.Length == 0 || read.Port == 0)
            return What;
        if (read.Query.Length > 0 || read.Fragment.Length > 0)
            return "the URL of a data store has no options behind it; TLS is the service's key tls";

        var isPostgres = read.Scheme.StartsWith("postgres", StringComparison.Ordinal);
        var database = read.AbsolutePath.Trim('/');
        if (database.Contains('/', StringComparison.Ordinal) || (!isPostgres && database.Length > 0))
            return isPostgres ? "a database is one name" : "a redis endpoint is host and port; a check needs no database";

        var port = read.Port > 0 ? read.Port : isPostgres ? 5432 : 6379;
        var url = new UriBuilder(isPostgres ? "postgres" : read.Scheme, read.Host, port, database).Uri;
        var colon = read.UserInfo.IndexOf(':', StringComparison.Ordinal);
        var user = Uri.UnescapeDataString(colon < 0 ? read.UserInfo : read.UserInfo[..colon]);
        var password = colon < 0 ? "" : Uri.UnescapeDataString(read.UserInfo[(colon + 1)..]);
        address = new EndpointAddress(url, user.Length == 0 ? null : user, password.Length == 0 ? null : new Secret(password, "url"));
        return null;
    }

    private static bool IsNoText(string text) =>
        text.Length > 300 || text.AsSpan().IndexOfAnyExceptInRange('!', '~') >= 0 || text.Contains('\\', StringComparison.Ordinal);
}
