using System.Text;
using Malha.Configuration;
using Malha.Proxy.Http1;

namespace Malha.Proxy.Routing;

/// <summary>A header field that the configuration writes, in the bytes that go on the wire.</summary>
internal sealed class HeaderLine
{
    /// <exception cref="ArgumentException">The field could not be sent as it is: checked again here, since nothing after this looks at it.</exception>
    public HeaderLine(HeaderConfig config)
    {
        Name = Encoding.UTF8.GetBytes(config.Name);
        Value = Encoding.UTF8.GetBytes(config.Value);
        if (!HttpSyntax.IsToken(Name))
            throw new ArgumentException($"'{config.Name}' is not a header name", nameof(config));
        if (Value.AsSpan().ContainsAny(HttpSyntax.NotFieldValue))
            throw new ArgumentException($"the value of the header '{config.Name}' holds a control character", nameof(config));
        Known = KnownHeaders.Find(Name);
    }

    public byte[] Name { get; }

    public byte[] Value { get; }

    public KnownHeader Known { get; }

    /// <summary><c>name: value</c> and the line's end, one after the other.</summary>
    public static byte[] Join(IEnumerable<HeaderLine> lines) =>
        [.. lines.SelectMany(line => (byte[])[.. line.Name, .. ": "u8, .. line.Value, .. "\r\n"u8])];
}
