using Malha.Configuration;
using Malha.Proxy.Http1;

namespace Malha.Proxy.Upstream;

/// <summary>What a service keeps from one configuration to the next.</summary>
internal sealed class ServiceState
{
    private int _streams;

    /// <summary>Long exchanges under way: upgraded connections and event streams.</summary>
    public int Streams => Volatile.Read(ref _streams);

    /// <summary>Counts the exchange if its answer's head makes it a long one. Dispose the result when it ends.</summary>
    public Stream EnterStream(ResponseHead head, ServiceConfig config, out bool tooMany)
    {
        tooMany = false;
        if (head.Status != 101 && !IsEventStream(head))
            return default;
        if (Interlocked.Increment(ref _streams) <= config.MaxStreams)
            return new Stream(this);
        Interlocked.Decrement(ref _streams);
        tooMany = true;
        return default;
    }

    private static bool IsEventStream(ResponseHead head)
    {
        if (!head.Has(KnownHeader.ContentType))
            return false;
        var type = head.Value(KnownHeader.ContentType);
        var expected = "text/event-stream"u8;
        return type.Length >= expected.Length && HttpSyntax.EqualsIgnoreCase(type[..expected.Length], expected);
    }

    /// <summary>A place among the long exchanges; empty for a short one.</summary>
    internal readonly struct Stream(ServiceState? owner) : IDisposable
    {
        public void Dispose()
        {
            if (owner is not null)
                Interlocked.Decrement(ref owner._streams);
        }
    }
}
