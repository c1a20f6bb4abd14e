using System.Globalization;
using System.Net;

namespace Malha.Configuration.Reading.Shapes;

/// <summary>The shapes that sections share.</summary>
internal static class Shapes
{
    /// <summary>Names of services, listeners and routes: they become parts of paths, metrics, SPIFFE identities and Kafka topics.</summary>
    public const string NamePattern = "^[A-Za-z0-9][A-Za-z0-9_-]{0,62}$";

    private const string NameWords = "a name of up to 63 letters, digits, - and _";

    private static readonly TimeSpan ShortestDuration = TimeSpan.FromMilliseconds(1);

    private static readonly TimeSpan LongestDuration = TimeSpan.FromHours(24);

    public static Shape<TimeSpan> Duration { get; } = DurationBetween(ShortestDuration, LongestDuration);

    public static Shape<TimeSpan> LongDuration { get; } = DurationBetween(ShortestDuration, TimeSpan.FromDays(365));

    public static Shape<long> ByteRate { get; } = new TextShape<long>(
        "bytes per second such as 240B/s or 1KiB/s, or off", "^off$|" + Units.ByteRatePattern, ReadByteRate,
        rate => rate == 0 ? "off" : Units.FormatByteRate(rate));

    public static Shape<double> Share { get; } = new TextShape<double>(
        "a share from 0% to 100%", Units.SharePattern, Units.ReadShare, Units.FormatShare);

    /// <summary>A share that is not zero.</summary>
    public static Shape<double> SomeShare { get; } = new TextShape<double>(
        "a share above 0% and up to 100%", Units.SharePattern,
        (string text, out double share) => Units.ReadShare(text, out share) ?? (share > 0 ? null : $"{Printable.Quote(text)} is not allowed"),
        Units.FormatShare);

    public static Shape<bool> Boolean { get; } = new BooleanShape();

    public static Shape<string> Name { get; } = new TextShape<string>(NameWords, NamePattern, ReadName, name => name);

    public static Shape<string> AnyText { get; } = new TextShape<string>("text", null, ReadAny, text => text);

    public static Shape<string> Host { get; } = new TextShape<string>(
        "a host without port such as admin.example", @"^[^:/\s]+$|^\[.+\]$", HttpSyntax.ReadHost, host => host);

    public static Shape<ListenAddress> Address { get; } = new TextShape<ListenAddress>(
        "an IP address, localhost or * with a port, such as 127.0.0.1:8080, [::1]:8080 or *:8080",
        "^.+:[0-9]{1,5}$", ReadAddress, address => address.ToString());

    public static Shape<IPNetwork> Network { get; } = new TextShape<IPNetwork>(
        "an address or a network such as 10.0.0.0/8, 192.0.2.7 or fd00::/8",
        "^[0-9A-Fa-f:.]+(/[0-9]{1,3})?$", ReadNetwork, network => network.ToString());

    public static Shape<long> Size(long least, long most) => new TextShape<long>(
        $"a size from {Units.FormatSize(least)} to {Units.FormatSize(most)}, such as 64KiB, 1MiB or 10MB", Units.SizePattern,
        (string text, out long bytes) => Units.ReadSize(text, out bytes)
            ?? (bytes >= least && bytes <= most ? null : $"{Printable.Quote(text)} is not allowed"),
        Units.FormatSize);

    /// <summary>A rate from one in an hour: what comes more seldom no longer fits into the durations that are computed from it.</summary>
    public static Shape<Rate> RateUpTo(int mostPerSecond) => new TextShape<Rate>(
        string.Create(CultureInfo.InvariantCulture, $"a rate from 1/h to {mostPerSecond}/s, such as 100/s, 60/min or 1000/h"), Units.RatePattern,
        (string text, out Rate rate) => Units.ReadRate(text, out rate)
            ?? (rate.Count * 3600 >= rate.Per.TotalSeconds && rate.PerSecond <= mostPerSecond ? null : $"{Printable.Quote(text)} is not allowed"),
        Units.Format);

    public static Shape<TimeSpan> DurationBetween(TimeSpan least, TimeSpan most) => new TextShape<TimeSpan>(
        $"a duration from {Units.Format(least)} to {Units.Format(most)}, such as 250ms, 2s, 5m or 1h", Units.DurationPattern,
        (string text, out TimeSpan duration) => ReadDuration(text, least, most, out duration),
        Units.Format);

    /// <summary>A duration and the longest that it may become.</summary>
    /// <param name="longest">That, when only one is written.</param>
    public static Shape<DurationRange> DurationRange(TimeSpan longest) => new TextShape<DurationRange>(
        "a duration such as 5s, or the first and the longest such as 5s..300s",
        @"^[0-9]+(\.[0-9]+)?(ms|s|m|h)(\.\.[0-9]+(\.[0-9]+)?(ms|s|m|h))?$", (string text, out DurationRange range) => ReadRange(text, longest, out range), range => range.ToString());

    public static Shape<int> Integer(int least, int most) => new IntegerShape(least, most);

    public static Shape<ConfigDictionary<T>> Named<T>(Shape<T> shape, int least = 0) =>
        new MapShape<T>(NameWords, NamePattern, ReadName, shape, least);

    public static string? ReadName(string text, out string name)
    {
        name = text;
        var fits = text.Length is > 0 and <= 63 && char.IsAsciiLetterOrDigit(text[0])
            && text.All(c => char.IsAsciiLetterOrDigit(c) || c is '-' or '_');
        if (!fits)
            return $"{Printable.Quote(text)} is not a name";
        // What YAML, old or new, takes for another kind of value would have to be quoted at every mention.
        return text.ToUpperInvariant() is "TRUE" or "FALSE" or "YES" or "NO" or "ON" or "OFF" or "NULL" || text.All(char.IsAsciiDigit)
            ? $"{Printable.Quote(text)} is not a name: YAML takes it for a number or a truth value"
            : null;
    }

    /// <summary>Reads what <see cref="Duration"/> allows, for values of which a duration is a part.</summary>
    public static string? ReadDuration(string text, out TimeSpan duration) => ReadDuration(text, ShortestDuration, LongestDuration, out duration);

    private static string? ReadDuration(string text, TimeSpan least, TimeSpan most, out TimeSpan duration) =>
        Units.ReadDuration(text, out duration)
            ?? (duration < least ? $"{Printable.Quote(text)} is too short" : duration > most ? $"{Printable.Quote(text)} is too long" : null);

    private static string? ReadRange(string text, TimeSpan otherwise, out DurationRange range)
    {
        range = default;
        var dots = text.IndexOf("..", StringComparison.Ordinal);
        if (ReadDuration(dots < 0 ? text : text[..dots], out var first) is { } problem)
            return problem;
        var longest = otherwise;
        if (dots >= 0 && ReadDuration(text[(dots + 2)..], out longest) is { } fault)
            return fault;

        range = new DurationRange(first, longest);
        if (longest >= first)
            return null;
        return dots < 0
            ? $"{Printable.Quote(text)} is longer than {Units.Format(longest)}, the longest unless another is given; write {text}..{text}"
            : $"{Printable.Quote(text)}: the longest is shorter than the first";
    }

    private static string? ReadByteRate(string text, out long rate)
    {
        rate = 0;
        return text == "off" ? null : Units.ReadByteRate(text, out rate) ?? (rate > 0 ? null : "write off for no minimum");
    }

    private static string? ReadAny(string text, out string value)
    {
        value = text;
        return null;
    }

    private static string? ReadAddress(string text, out ListenAddress address)
    {
        var read = ListenAddress.TryParse(text, out var found);
        address = found!;
        return read ? null : $"{Printable.Quote(text)} is not an address to listen on";
    }

    private static string? ReadNetwork(string text, out IPNetwork network)
    {
        network = default;
        var slash = text.IndexOf('/', StringComparison.Ordinal);
        var host = slash < 0 ? text : text[..slash];
        // IPAddress also reads 10.1 and 0x0a000001; only the usual form is taken, so that nobody trusts another network than the one that he reads.
        if (!IPAddress.TryParse(host, out var ip) || (!host.Contains(':', StringComparison.Ordinal) && ip.ToString() != host))
            return $"{Printable.Quote(text)} is not a network";

        var bits = ip.GetAddressBytes().Length * 8;
        var length = bits;
        if (slash >= 0 && (!int.TryParse(text.AsSpan(slash + 1), NumberStyles.None, CultureInfo.InvariantCulture, out length) || length > bits))
            return $"{Printable.Quote(text)} is not a network: the prefix is from 0 to {bits}";

        var bytes = ip.GetAddressBytes();
        for (var bit = length; bit < bits; bit++)
            bytes[bit / 8] &= (byte)~(0x80 >> (bit % 8));
        var first = new IPAddress(bytes);
        network = new IPNetwork(first, length);
        return first.Equals(ip) ? null : $"{Printable.Quote(text)} has bits beyond its prefix; write {network}";
    }
}
