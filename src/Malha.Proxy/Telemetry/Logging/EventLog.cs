using System.Globalization;

namespace Malha.Proxy.Telemetry.Logging;

internal enum EventLevel : byte
{
    Info,
    Warning,
    Error,
}

/// <summary>One member of an event: a text or a number.</summary>
internal readonly record struct EventField(string Name, string? Text, double Number)
{
    public static implicit operator EventField((string Name, string Text) field) => new(field.Name, field.Text, 0);

    public static implicit operator EventField((string Name, double Number) field) => new(field.Name, null, field.Number);
}

/// <summary>Something that an operator should know.</summary>
/// <param name="Id">Counts from 1 since the start.</param>
/// <param name="Time">When it was logged.</param>
/// <param name="Level">How much it matters.</param>
/// <param name="Name">What happened, such as <c>listening</c>: stable, scripts rely on it.</param>
/// <param name="Fields">The particulars.</param>
internal sealed record OperationalEvent(long Id, DateTimeOffset Time, EventLevel Level, string Name, EventField[] Fields);

/// <summary>
/// What happens to the gateway itself (it listens, has reloaded, drains, has met a bug): a line each in the log, the latest kept for whoever asks,
/// and all told to whoever listens.
/// </summary>
internal sealed class EventLog(LogOutput? output, TimeProvider time)
{
    /// <summary>Events that are kept for somebody who comes later.</summary>
    private const int Kept = 256;

    private const int MaxLine = 16 * 1024;

    private readonly Lock _lock = new();
    private readonly Queue<OperationalEvent> _latest = new();
    private readonly LogStyle _automatic = output is { IsTerminal: true } ? LogStyle.Coloured : LogStyle.Json;
    private Action<OperationalEvent>? _listeners;
    private long _count;

    /// <summary>How lines look; null: for people on a terminal, JSON otherwise.</summary>
    public LogStyle? Style { get; set; }

    public void Info(string name, params ReadOnlySpan<EventField> fields) => Write(EventLevel.Info, name, fields);

    public void Warning(string name, params ReadOnlySpan<EventField> fields) => Write(EventLevel.Warning, name, fields);

    public void Error(string name, params ReadOnlySpan<EventField> fields) => Write(EventLevel.Error, name, fields);

    /// <summary>
    /// The latest events, oldest first, and whatever comes after them to the listener: nothing is missed in between. It is called under
    /// the log's lock, in order: it must be quick and must not throw.
    /// </summary>
    public OperationalEvent[] Follow(Action<OperationalEvent> listener)
    {
        lock (_lock)
        {
            _listeners += listener;
            return [.. _latest];
        }
    }

    public void Unfollow(Action<OperationalEvent> listener)
    {
        lock (_lock)
            _listeners -= listener;
    }

    /// <summary>The line for lines that were dropped. It is not an event: it comes from the thread that writes them.</summary>
    public int WriteDropNotice(Span<byte> buffer, long dropped) =>
        Format(buffer, new OperationalEvent(0, time.GetUtcNow(), EventLevel.Warning, "log-lines-dropped", [("lines", dropped)]), Style ?? _automatic);

    internal static int Format(Span<byte> buffer, OperationalEvent entry, LogStyle style)
    {
        // The last bytes are kept for the end of the line, however long the fields are.
        var line = new LogText(buffer[..^8]);
        if (style == LogStyle.Json)
            WriteJson(ref line, entry);
        else
            WriteText(ref line, entry, style == LogStyle.Coloured);
        var end = style == LogStyle.Json ? "}\n"u8 : "\n"u8;
        end.CopyTo(buffer[line.Length..]);
        return line.Length + end.Length;
    }

    private void Write(EventLevel level, string name, ReadOnlySpan<EventField> fields)
    {
        lock (_lock)
        {
            var entry = new OperationalEvent(++_count, time.GetUtcNow(), level, name, fields.ToArray());
            if (_latest.Count == Kept)
                _latest.Dequeue();
            _latest.Enqueue(entry);
            if (output is not null)
            {
                var line = new byte[MaxLine];
                output.Write(line.AsSpan(0, Format(line, entry, Style ?? _automatic)), important: true);
            }
            _listeners?.Invoke(entry);
        }
    }

    private static void WriteJson(ref LogText line, OperationalEvent entry)
    {
        line.Write("{\"time\":\""u8);
        line.Instant(entry.Time);
        line.Write(entry.Level switch { EventLevel.Info => "\",\"level\":\"info\""u8, EventLevel.Warning => "\",\"level\":\"warning\""u8, _ => "\",\"level\":\"error\""u8 });
        line.Write(",\"event\":\""u8);
        line.Escaped(entry.Name, 64);
        line.Write("\""u8);
        foreach (var field in entry.Fields)
        {
            line.Write(",\""u8);
            line.Escaped(field.Name, 64);
            line.Write("\":"u8);
            if (field.Text is null)
            {
                line.Double(field.Number);
                continue;
            }
            line.Write("\""u8);
            line.Escaped(field.Text, MaxField(entry));
            line.Write("\""u8);
        }
    }

    private static void WriteText(ref LogText line, OperationalEvent entry, bool coloured)
    {
        line.TimeOfDay(entry.Time.DateTime);
        if (coloured)
            line.Write(entry.Level switch { EventLevel.Info => "\e[36m"u8, EventLevel.Warning => "\e[33m"u8, _ => "\e[31m"u8 });
        line.Write(entry.Level switch { EventLevel.Info => "  info "u8, EventLevel.Warning => "  warn "u8, _ => "  error "u8 });
        if (coloured)
            line.Write("\e[0m"u8);
        line.Escaped(entry.Name, 64);
        foreach (var field in entry.Fields)
        {
            line.Write("  "u8);
            line.Escaped(field.Name, 64);
            line.Write("="u8);
            line.Escaped(field.Text ?? field.Number.ToString(CultureInfo.InvariantCulture), MaxField(entry));
        }
    }

    // All fields together leave room for their names.
    private static int MaxField(OperationalEvent entry) => (MaxLine - 1024) / Math.Max(1, entry.Fields.Length) - 80;
}
