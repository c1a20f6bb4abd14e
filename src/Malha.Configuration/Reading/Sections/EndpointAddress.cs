namespace Malha.Configuration.Reading.Sections;

/// <summary>What the URL of an endpoint says. User and password are taken out of it, so that it can be shown everywhere.</summary>
internal readonly record struct EndpointAddress(Uri Url, string? User, Secret? Password)
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
        var authority = Url.GetLeftPart(UriPartial.Authority);
        var path = Url.AbsolutePath.Length > 1 ? Url.AbsolutePath : "";
        return User is null ? authority + path : authority.Replace("://", $"://{Uri.EscapeDataString(User)}@", StringComparison.Ordinal) + path;
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
