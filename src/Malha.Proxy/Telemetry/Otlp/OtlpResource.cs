using System.Reflection;
using Malha.Configuration;

namespace Malha.Proxy.Telemetry.Otlp;

/// <summary>As what the gateway introduces itself to a collector, and how attributes are written (OTLP 1.x, opentelemetry-proto).</summary>
internal static class OtlpResource
{
    private const string Scope = "malha";

    private static readonly string Version = typeof(OtlpResource).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()?.InformationalVersion.Split('+')[0] ?? "";

    /// <summary>Field 1 of ResourceSpans and of ResourceMetrics.</summary>
    public static void Write(ProtobufWriter to, TelemetryConfig config)
    {
        var resource = to.Begin(1);
        Attribute(to, 1, "service.name", config.Service);
        Attribute(to, 1, "service.instance.id", config.Instance ?? Environment.MachineName);
        Attribute(to, 1, "service.version", Version);
        foreach (var (name, value) in config.Attributes)
            Attribute(to, 1, name, value);
        to.End(resource);
    }

    /// <summary>Field 1 of ScopeSpans and of ScopeMetrics.</summary>
    public static void WriteScope(ProtobufWriter to)
    {
        var scope = to.Begin(1);
        to.Text(1, Scope);
        to.Text(2, Version);
        to.End(scope);
    }

    public static void Attribute(ProtobufWriter to, int field, string key, string? value)
    {
        if (string.IsNullOrEmpty(value))
            return;
        var (pair, any) = BeginAttribute(to, field, key);
        to.Text(1, value);
        EndAttribute(to, pair, any);
    }

    public static void Attribute(ProtobufWriter to, int field, string key, ReadOnlySpan<byte> value)
    {
        if (value.IsEmpty)
            return;
        var (pair, any) = BeginAttribute(to, field, key);
        to.Text(1, value);
        EndAttribute(to, pair, any);
    }

    public static void Attribute(ProtobufWriter to, int field, string key, long value)
    {
        var (pair, any) = BeginAttribute(to, field, key);
        to.Varint(3, (ulong)value);
        EndAttribute(to, pair, any);
    }

    public static void Attribute(ProtobufWriter to, int field, string key, double value)
    {
        var (pair, any) = BeginAttribute(to, field, key);
        to.Double(4, value);
        EndAttribute(to, pair, any);
    }

    public static void Attribute(ProtobufWriter to, int field, string key, bool value)
    {
        var (pair, any) = BeginAttribute(to, field, key);
        to.Varint(2, value ? 1UL : 0);
        EndAttribute(to, pair, any);
    }

    /// <summary>Nanoseconds since the epoch.</summary>
    public static ulong Nanoseconds(DateTimeOffset time) => (ulong)(time - DateTimeOffset.UnixEpoch).Ticks * 100;

    private static (int Pair, int Any) BeginAttribute(ProtobufWriter to, int field, string key)
    {
        var pair = to.Begin(field);
        to.Text(1, key);
        return (pair, to.Begin(2));
    }

    private static void EndAttribute(ProtobufWriter to, int pair, int any)
    {
        to.End(any);
        to.End(pair);
    }
}
