using Malha.Configuration.Reading.Shapes;
using Forms = Malha.Configuration.Reading.Shapes.Shapes;

namespace Malha.Configuration.Reading.Sections;

internal static class EndpointSection
{
    /// <summary>Stands in the record until the key <c>url</c> is read, which is required.</summary>
    private static readonly Uri Unset = new("http://unset.invalid/");

    private static readonly Shape<Uri> Url = new TextShape<Uri>(
        "a URL such as http://127.0.0.1:7001 or https://payments.example, or host:port", @"^(https?://[^/@\s?#]+/?|[^/@\s?#]+:[0-9]{1,5})$", ReadUrl,
        url => url.GetLeftPart(UriPartial.Authority));

    private static readonly Section<EndpointConfig> Long = new Section<EndpointConfig>("a map: url, weight", _ => new EndpointConfig { Url = Unset })
        .Required("url", Url, e => e.Url, (e, v) => e with { Url = v }, "Scheme, host and port; host:port alone means http.")
        .Optional("weight", Forms.Integer(1, 1000), Defaults.Weight, e => e.Weight, (e, v) => e with { Weight = v },
            "Its share of the traffic relative to the other endpoints'.");

    /// <summary>A URL, or a map with the URL and its weight.</summary>
    public static Shape<EndpointConfig> Shape { get; } =
        new EitherShape<Uri, EndpointConfig>(Url, "url", url => new EndpointConfig { Url = url }, Long);

    private static string? ReadUrl(string text, out Uri url)
    {
        url = Unset;
        // A user and password are not repeated in the message.
        if (text.Contains('@', StringComparison.Ordinal))
            return "an endpoint has no user or password";
        if (text.Length > 300 || text.AsSpan().IndexOfAnyExceptInRange('!', '~') >= 0 || text.Contains('\\', StringComparison.Ordinal))
            return $"{Printable.Quote(text)} is not a URL in ASCII";

        var hasScheme = text.Contains("://", StringComparison.Ordinal);
        if (!Uri.TryCreate(hasScheme ? text : "http://" + text, UriKind.Absolute, out var read))
            return $"{Printable.Quote(text)} is not a URL";
        if (EndpointConfig.WhyNot(read) is { } problem)
            return $"{Printable.Quote(text)}: {problem}";
        if (!hasScheme && !text.EndsWith(":" + read.Port, StringComparison.Ordinal))
            return $"{Printable.Quote(text)} needs http:// or https:// before it, or a port behind it";

        // Uri reads 127.1 and 0x7f.1 as 127.0.0.1; an address is written as what it is.
        var host = hasScheme ? text[(text.IndexOf("://", StringComparison.Ordinal) + 3)..] : text;
        if (read.HostNameType == UriHostNameType.IPv4 && !host.StartsWith(read.Host, StringComparison.Ordinal))
            return $"{Printable.Quote(text)} is another way to write {read.Host}; write that";

        url = read;
        return null;
    }
}
