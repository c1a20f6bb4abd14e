using System.Text;
using Malha.Proxy.Deferral;
using Malha.Proxy.Telemetry.Logging;

namespace Malha.Proxy.Telemetry.Decisions;

/// <summary>
/// The latest decisions that somebody may ask about: refusals, requests that clients gave up, retries. A ring in memory; an entry is
/// overwritten when the ring has gone round, and writing one allocates nothing and never waits.
/// </summary>
/// <remarks>
/// Each slot has a version that is odd while it is written. A reader copies and looks whether the version is still what it was; a writer
/// that finds its slot being written, which takes a full round within one write, leaves its decision out.
/// </remarks>
internal sealed class DecisionLog
{
    /// <summary>With 100 refusals per second, the last 40 s. 2 MB at most, taken as they are first written.</summary>
    public const int DefaultCapacity = 4096;

    private const int MaxId = 128;
    private const int MaxTrace = 32;
    private const int MaxClient = 64;
    private const int MaxMethod = 24;
    private const int MaxTarget = 264;
    private const int TextLength = MaxId + MaxTrace + MaxClient + MaxMethod + MaxTarget;

    private readonly Slot[] _slots;
    private readonly byte[] _text;
    private long _written;

    /// <param name="capacity">Decisions kept; a power of two.</param>
    public DecisionLog(int capacity = DefaultCapacity)
    {
        if (!System.Numerics.BitOperations.IsPow2(capacity))
            throw new ArgumentOutOfRangeException(nameof(capacity));
        _slots = new Slot[capacity];
        // One array and not one for each slot: pages that no decision has reached are not in memory.
        _text = new byte[capacity * TextLength];
    }

    /// <summary>Decisions written since the start.</summary>
    public long Count => Interlocked.Read(ref _written);

    /// <summary>Remembers how an exchange ended.</summary>
    public void Write(Exchange exchange, DateTimeOffset time, TimeSpan duration, int status)
    {
        var sequence = Interlocked.Increment(ref _written);
        ref var slot = ref _slots[(int)(sequence & (_slots.Length - 1))];
        var version = Volatile.Read(ref slot.Version);
        if ((version & 1) != 0 || Interlocked.CompareExchange(ref slot.Version, version + 1, version) != version)
            return;

        var request = exchange.Request;
        var text = TextOf(sequence);
        slot.IdHash = Hash(exchange.RequestId);
        slot.Id = Take(ref text, exchange.RequestId, MaxId);
        slot.Trace = Take(ref text, exchange.Trace.TraceId, MaxTrace);
        slot.Client = Take(ref text, exchange.Connection.ClientAddress, MaxClient);
        slot.Method = Take(ref text, request.Bytes(request.Method), MaxMethod);
        var target = request.Bytes(request.Target);
        slot.Target = SecretQuery.IsSuspect(target) ? SecretQuery.Copy(target, text[..MaxTarget]) : Take(ref text, target, MaxTarget);
        slot.Sequence = sequence;
        slot.Time = time;
        slot.Duration = duration;
        slot.Status = status;
        slot.IsCut = exchange.IsCut;
        slot.Listener = exchange.Connection.ListenerName;
        slot.ClientName = exchange.Caller.Client?.Name;
        slot.Route = exchange.Route?.Name;
        slot.Service = exchange.Service?.Config.Name;
        slot.Refusal = exchange.Refusal;
        slot.Deferred = exchange.Deferred;
        slot.AttemptCount = exchange.Attempts;
        slot.Kept = exchange.AttemptLog.Attempts.Length;
        exchange.AttemptLog.Attempts.CopyTo(slot.Attempts);
        Volatile.Write(ref slot.Version, version + 2);
    }

    /// <summary>The latest decision about a request of this id.</summary>
    public Decision? Find(string requestId)
    {
        var id = Encoding.Latin1.GetBytes(requestId);
        var hash = Hash(id);
        Decision? found = null;
        for (var index = 0; index < _slots.Length; index++)
        {
            if (Volatile.Read(ref _slots[index].IdHash) == hash && TryRead(index) is { } decision && decision.RequestId == requestId
                && decision.Sequence > (found?.Sequence ?? 0))
                found = decision;
        }
        return found;
    }

    /// <summary>The latest decisions, newest first.</summary>
    /// <param name="before">Only those before this sequence number.</param>
    /// <param name="limit">How many at most.</param>
    public List<Decision> Latest(long before, int limit)
    {
        var decisions = new List<Decision>();
        var oldest = Math.Max(1, Count - _slots.Length + 1);
        for (var sequence = Math.Min(before - 1, Count); sequence >= oldest && decisions.Count < limit; sequence--)
        {
            if (TryRead((int)(sequence & (_slots.Length - 1))) is { } decision && decision.Sequence == sequence)
                decisions.Add(decision);
        }
        return decisions;
    }

    private Decision? TryRead(int index)
    {
        ref var slot = ref _slots[index];
        // A slot that keeps changing under the reader is left out: whoever asks for it comes too late.
        for (var tries = 0; tries < 3; tries++)
        {
            var version = Volatile.Read(ref slot.Version);
            if (version == 0 || (version & 1) != 0)
                continue;
            var decision = Copy(slot, TextOf(index));
            Interlocked.MemoryBarrier();
            if (Volatile.Read(ref slot.Version) == version)
                return decision;
        }
        return null;
    }

    private static Decision Copy(in Slot slot, ReadOnlySpan<byte> text) => new()
    {
        Sequence = slot.Sequence,
        RequestId = Next(ref text, slot.Id, MaxId),
        TraceId = Next(ref text, slot.Trace, MaxTrace),
        Client = Next(ref text, slot.Client, MaxClient),
        ClientName = slot.ClientName,
        Method = Next(ref text, slot.Method, MaxMethod),
        Target = Next(ref text, slot.Target, MaxTarget),
        Time = slot.Time,
        Duration = slot.Duration,
        Status = slot.Status,
        IsCut = slot.IsCut,
        Listener = slot.Listener,
        Route = slot.Route,
        Service = slot.Service,
        Refusal = slot.Refusal,
        Deferred = slot.Deferred,
        AttemptCount = slot.AttemptCount,
        Attempts = [.. slot.Attempts[..Math.Clamp(slot.Kept, 0, AttemptLog.Kept)]],
    };

    private Span<byte> TextOf(long sequence) => _text.AsSpan((int)(sequence & (_slots.Length - 1)) * TextLength, TextLength);

    private static int Take(ref Span<byte> text, ReadOnlySpan<byte> bytes, int most)
    {
        var length = Math.Min(bytes.Length, most);
        bytes[..length].CopyTo(text);
        text = text[most..];
        return length;
    }

    private static string Next(ref ReadOnlySpan<byte> text, int length, int most)
    {
        // A torn length is harmless: the version tells.
        var value = Encoding.Latin1.GetString(text[..Math.Clamp(length, 0, most)]);
        text = text[most..];
        return value;
    }

    private static int Hash(ReadOnlySpan<byte> id)
    {
        var hash = new HashCode();
        hash.AddBytes(id);
        return hash.ToHashCode();
    }

    private struct Slot
    {
        public int Version;
        public int IdHash;
        public int Id;
        public int Trace;
        public int Client;
        public int Method;
        public int Target;
        public int Status;
        public int AttemptCount;
        public int Kept;
        public bool IsCut;
        public long Sequence;
        public DateTimeOffset Time;
        public TimeSpan Duration;
        public string? Listener;
        public string? ClientName;
        public string? Route;
        public string? Service;
        public Refusal Refusal;
        public DeferredRequest? Deferred;
        public AttemptArray Attempts;
    }

    [System.Runtime.CompilerServices.InlineArray(AttemptLog.Kept)]
    private struct AttemptArray
    {
        private AttemptRecord _first;
    }
}
