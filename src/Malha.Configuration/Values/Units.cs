using System.Globalization;

namespace Malha.Configuration;

/// <summary>
/// The units of the configuration: durations <c>250ms 2s 5m 1h</c>, sizes <c>64KiB 10MB</c>, rates <c>100/s 60/min</c>, bytes in time
/// <c>240B/s</c>, shares <c>50%</c>. Each reader returns null, or what is wrong with the text; each text that is
/// written reads back as the same value.
/// </summary>
public static class Units
{
    internal const string DurationPattern = @"^[0-9]+(\.[0-9]+)?(ms|s|m|h)$";
    internal const string SizePattern = @"^[0-9]+(\.[0-9]+)?(B|KB|MB|GB|KiB|MiB|GiB)$";
    internal const string ByteRatePattern = @"^[0-9]+(\.[0-9]+)?(B|KB|MB|GB|KiB|MiB|GiB)/s$";
    internal const string RatePattern = @"^[0-9]+(\.[0-9]+)?/(s|min|h)$";
    internal const string SharePattern = @"^[0-9]+(\.[0-9]+)?%$";

    private static readonly (string Name, decimal Ticks)[] Durations =
    [
        ("h", TimeSpan.TicksPerHour), ("m", TimeSpan.TicksPerMinute), ("s", TimeSpan.TicksPerSecond), ("ms", TimeSpan.TicksPerMillisecond),
    ];

    private static readonly (string Name, decimal Bytes)[] Sizes =
    [
        ("GiB", 1 << 30), ("GB", 1_000_000_000), ("MiB", 1 << 20), ("MB", 1_000_000), ("KiB", 1 << 10), ("KB", 1_000), ("B", 1),
    ];

    private static readonly (string Name, TimeSpan Per)[] Periods =
    [
        ("s", TimeSpan.FromSeconds(1)), ("min", TimeSpan.FromMinutes(1)), ("h", TimeSpan.FromHours(1)),
    ];

    /// <summary>Reads a duration, at most 365 days.</summary>
    public static string? ReadDuration(string text, out TimeSpan duration)
    {
        duration = default;
        if (Read(text, "duration", Durations, "s", out var ticks) is { } problem)
            return problem;
        if (ticks > TimeSpan.TicksPerDay * 365m)
            return $"{Printable.Quote(text)} is longer than a year";
        duration = TimeSpan.FromTicks((long)ticks);
        return null;
    }

    /// <summary>Reads a size in bytes, at most 1024 GiB.</summary>
    public static string? ReadSize(string text, out long bytes)
    {
        bytes = 0;
        if (Read(text, "size", Sizes, "KiB", out var size) is { } problem)
            return problem;
        if (size > 1L << 40)
            return $"{Printable.Quote(text)} is more than 1024GiB";
        bytes = (long)size;
        return bytes == size ? null : $"{Printable.Quote(text)} is not a whole number of bytes";
    }

    /// <summary>Reads bytes per second, as <c>240B/s</c>.</summary>
    public static string? ReadByteRate(string text, out long bytesPerSecond)
    {
        bytesPerSecond = 0;
        if (text.EndsWith("/s", StringComparison.Ordinal))
            return ReadSize(text[..^2], out bytesPerSecond) is null ? null : $"{Printable.Quote(text)} is not a size per second";
        return $"{Printable.Quote(text)} does not end in /s";
    }

    /// <summary>Reads a rate, as <c>100/s</c>, <c>60/min</c> or <c>1000/h</c>.</summary>
    public static string? ReadRate(string text, out Rate rate)
    {
        rate = default;
        var slash = text.IndexOf('/', StringComparison.Ordinal);
        if (slash < 0)
            return Split(text, out _, out var unit) && unit.Length == 0
                ? $"{Printable.Quote(text)} has no unit; write {text}/s or {text}/min"
                : $"{Printable.Quote(text)} is not a rate";
        if (!Split(text[..slash], out var count, out var rest) || rest.Length > 0 || count <= 0)
            return $"{Printable.Quote(text)} is not a rate";

        var (name, per) = Array.Find(Periods, known => known.Name == text[(slash + 1)..]);
        if (name is null)
            return $"{Printable.Quote(text)}: {Printable.Quote(text[(slash + 1)..])} is no unit of a rate";
        rate = new Rate((double)count, per);
        return null;
    }

    /// <summary>Reads a share from <c>0%</c> to <c>100%</c> as 0 to 1.</summary>
    public static string? ReadShare(string text, out double share)
    {
        share = 0;
        if (!Split(text, out var percent, out var unit))
            return $"{Printable.Quote(text)} is not a share";
        if (unit.Length == 0)
            return $"{Printable.Quote(text)} has no unit; write {(percent is > 0 and <= 1 ? Number(percent * 100) : text)}%";
        if (unit != "%")
            return $"{Printable.Quote(text)} is not a share";
        if (percent > 100)
            return $"{Printable.Quote(text)} is more than 100%";
        share = (double)(percent / 100);
        return null;
    }

    /// <summary>Writes a duration in the largest unit that needs no fraction.</summary>
    public static string Format(TimeSpan duration) => Write(duration.Ticks, Durations);

    /// <summary>Writes a size in the largest unit that needs no fraction.</summary>
    public static string FormatSize(long bytes) => Write(bytes, Sizes);

    public static string FormatByteRate(long bytesPerSecond) => FormatSize(bytesPerSecond) + "/s";

    public static string FormatShare(double share) => Number((decimal)share * 100) + "%";

    public static string Format(Rate rate) =>
        Number((decimal)rate.Count) + "/" + (Array.Find(Periods, known => known.Per == rate.Per).Name ?? Format(rate.Per));

    /// <summary>The rate in the period in which it is written shortest: 1/3600 per second is <c>1/h</c>, 0.5 per second <c>0.5/s</c>.</summary>
    internal static Rate ToRate(double perSecond) =>
        Periods.Select(period => new Rate(Math.Round(perSecond * period.Per.TotalSeconds, 9), period.Per)).MinBy(rate => Format(rate).Length);

    private static string? Read(string text, string what, (string Name, decimal Factor)[] units, string example, out decimal value)
    {
        value = 0;
        if (!Split(text, out var number, out var unit))
            return $"{Printable.Quote(text)} is not a {what}";
        if (unit.Length == 0)
            return $"{Printable.Quote(text)} has no unit; write {text}{units[^1].Name} or {text}{example}";

        var (name, factor) = Array.Find(units, known => known.Name == unit);
        if (name is null)
        {
            var near = Nearest(unit, units);
            var hint = near is null ? "" : $"; write {Number(number)}{near}";
            return $"{Printable.Quote(text)}: {Printable.Quote(unit)} is no unit of a {what}{hint}";
        }

        value = number * factor;
        return null;
    }

    /// <summary>The unit that was meant by one in the wrong case (<c>mib</c>) or written out (<c>min</c>, <c>seconds</c>), or null.</summary>
    private static string? Nearest(string unit, (string Name, decimal Factor)[] units)
    {
        string? nearest = null;
        foreach (var (name, _) in units)
        {
            if (name.Equals(unit, StringComparison.OrdinalIgnoreCase))
                return name;
            if (unit.All(char.IsAsciiLetter) && unit.StartsWith(name, StringComparison.OrdinalIgnoreCase) && name.Length > (nearest?.Length ?? 0))
                nearest = name;
        }

        return nearest;
    }

    /// <summary>Splits digits (with a fraction or not, 15 in all) from the unit behind them.</summary>
    private static bool Split(string text, out decimal number, out string unit)
    {
        var end = 0;
        while (end < text.Length && (char.IsAsciiDigit(text[end]) || text[end] == '.'))
            end++;
        unit = text[end..];
        number = 0;
        return end is > 0 and <= 16 && text[0] != '.' && text[end - 1] != '.'
            && decimal.TryParse(text.AsSpan(0, end), NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out number);
    }

    private static string Write(decimal value, (string Name, decimal Factor)[] units)
    {
        if (value == 0)
            return "0" + units[^1].Name;
        foreach (var (name, factor) in units)
        {
            if (value % factor == 0)
                return Number(value / factor) + name;
        }

        return Number(value / units[^1].Factor) + units[^1].Name;
    }

    private static string Number(decimal number) => number.ToString("0.###############", CultureInfo.InvariantCulture);
}
