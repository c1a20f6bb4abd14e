namespace Malha.Proxy.Telemetry.Otlp;

/// <summary>
/// Sampled exchanges on their way to the exporter: a bounded ring that many threads write and one reads. Writing takes no lock, allocates nothing and never
/// waits; what finds it full is dropped and counted.
/// </summary>
/// <remarks>
/// Vyukov's bounded queue: a slot's sequence says whose turn it is. It is free for position p when it is p, and written when it is p + 1; who has read it
/// sets it to the position one round later.
/// </remarks>
internal sealed class SpanRing
{
    private readonly Slot[] _slots;
    private readonly byte[] _text;
    private TaskCompletionSource _filling = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly int _wakeAt;
    private long _tail;
    private long _head;
    private long _dropped;

    /// <param name="capacity">Exchanges kept at most; a power of two.</param>
    public SpanRing(int capacity)
    {
        _slots = new Slot[capacity];
        // One array and not one for each slot: pages that no exchange has reached are not in memory.
        _text = new byte[capacity * SpanText.Length];
        _wakeAt = capacity / 4;
        for (var at = 0; at < capacity; at++)
            _slots[at].Sequence = at;
    }

    /// <summary>Exchanges that found it full.</summary>
    public long Dropped => Interlocked.Read(ref _dropped);

    /// <summary>Exchanges that wait.</summary>
    public int Count => (int)(Volatile.Read(ref _tail) - Volatile.Read(ref _head));

    /// <summary>Completes when a quarter of it is taken from now on. For the reader.</summary>
    public Task Fills()
    {
        var filling = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        Interlocked.Exchange(ref _filling, filling);
        // What came before nobody told this one of.
        if (Count > _wakeAt)
            filling.TrySetResult();
        return filling.Task;
    }

    /// <summary>Copies what its spans will say out of an exchange that is over.</summary>
    public void Write(Exchange exchange, DateTimeOffset end, TimeSpan duration, int status)
    {
        var position = Volatile.Read(ref _tail);
        while (true)
        {
            ref var slot = ref _slots[(int)position & (_slots.Length - 1)];
            var turn = Volatile.Read(ref slot.Sequence) - position;
            if (turn < 0)
            {
                Interlocked.Increment(ref _dropped);
                return;
            }
            if (turn == 0 && Interlocked.CompareExchange(ref _tail, position + 1, position) == position)
            {
                slot.Span.Fill(exchange, TextOf(position), end, duration, status);
                Volatile.Write(ref slot.Sequence, position + 1);
                break;
            }
            position = Volatile.Read(ref _tail);
        }
        // One writer comes to this place in a round of filling, or a few.
        if (position - Volatile.Read(ref _head) == _wakeAt)
            Volatile.Read(ref _filling).TrySetResult();
    }

    /// <summary>Hands the oldest exchange to a reader, of which there is one. False when there is none.</summary>
    public bool TryRead(SpanReader read)
    {
        ref var slot = ref _slots[(int)_head & (_slots.Length - 1)];
        if (Volatile.Read(ref slot.Sequence) != _head + 1)
            return false;
        read(in slot.Span, TextOf(_head));
        // What it points to belongs to configurations that may have gone.
        slot.Span = default;
        Volatile.Write(ref slot.Sequence, _head + _slots.Length);
        Volatile.Write(ref _head, _head + 1);
        return true;
    }

    private Span<byte> TextOf(long position) => _text.AsSpan(((int)position & (_slots.Length - 1)) * SpanText.Length, SpanText.Length);

    private struct Slot
    {
        public long Sequence;
        public ExchangeSpan Span;
    }
}

/// <summary>Reads one exchange out of the ring; what it is given is another's afterwards.</summary>
internal delegate void SpanReader(in ExchangeSpan span, ReadOnlySpan<byte> text);
