using System.Buffers;
using System.Runtime.CompilerServices;
using Malha.Proxy.Deferral;
using Malha.Proxy.Http1;
using Malha.Proxy.Transport;

namespace Malha.Proxy.Downstream;

/// <summary>
/// A request's body as it comes: the part that came with the head, then what is read on demand. The first 64 KiB are kept, so that
/// an attempt that failed can be repeated; a body that grows beyond them streams through and can be sent only once, and so does one that comes while too
/// many others are kept.
/// </summary>
internal sealed class RequestBody
{
    /// <summary>Kept for a replay; Envoy's per_request_buffer_limit advice for retries is of this order.</summary>
    public const int ReplayLimit = 64 * 1024;

    /// <summary>What a body streams through when it is not kept: a page.</summary>
    private const int StreamingSize = 4 * 1024;

    /// <summary>The same for a chunked one, which must have room for a trailer section that has not come whole, and for more.</summary>
    private const int ChunkedStreamingSize = 2 * TrailerHead.MaxSize;

    private readonly TrailerHead _trailers = new();
    // The buffer of a body that nothing of comes with the head.
    private static readonly ReceiveBuffer Nothing = new(0);

    private ClientConnection _connection = null!;
    private IRequestSource _source = null!;
    private ReceiveBuffer _buffer = null!;
    private bool _isPlain;
    private ChunkedDecoder _decoder;
    private long _remaining;
    private long _received;
    private int _prefixStart;
    private byte[]? _store;
    private int _held;
    private int _stored;
    private int _undecoded;
    private ValueTask<int> _receiving;
    private bool _hasReceiving;

    /// <summary>Largest body that the service takes, in bytes.</summary>
    public long Limit { get; set; } = long.MaxValue;

    /// <summary>Whether it is kept whatever else is: its route promises to check so much of it before anything goes upstream.</summary>
    public bool IsOwed { get; set; }

    /// <summary>Gets a copy of what is read from now on; null: nobody does. What has come already is given to it by whoever sets it.</summary>
    public IBodyKeeper? Keeper { get; set; }

    /// <summary>Whether it is passed on chunked, since nobody has said how long it is.</summary>
    public bool IsChunked { get; private set; }

    /// <summary>The announced length; 0 for none, meaningless for a chunked body.</summary>
    public long Length { get; private set; }

    /// <summary>Whether all of it has been read.</summary>
    public bool IsComplete { get; private set; }

    /// <summary>Whether everything read so far is still at hand.</summary>
    public bool CanReplay { get; private set; }

    public HttpFault Fault { get; private set; }

    /// <summary>Whether the client's connection broke before the body was complete.</summary>
    public bool IsBroken { get; private set; }

    public TrailerHead Trailers => _trailers;

    /// <summary>What came with the head.</summary>
    public int PrefixLength { get; private set; }

    public ReadOnlySpan<byte> Prefix => _buffer.Array.AsSpan(_prefixStart, PrefixLength);

    public ReadOnlyMemory<byte> PrefixMemory => _buffer.Array.AsMemory(_prefixStart, PrefixLength);

    /// <summary>What was read since, as far as it is kept.</summary>
    public ReadOnlyMemory<byte> Stored => _store is null ? default : _store.AsMemory(0, _stored);

    public long Received => _received;

    /// <summary>Whether a receive is under way that nobody awaits yet.</summary>
    public bool IsReceiving => _hasReceiving;

    private bool IsOver => IsBroken || Fault != HttpFault.None;

    // Whether the next read leaves everything before it in place.
    private bool HasRoom => _store is null || (_isPlain ? _held > _stored || TryGrow() : _store.Length - _stored - _undecoded > 0);

    /// <summary>Takes the body's part that is in the connection's buffer, decoded and checked. A fault in it is told before anything goes upstream.</summary>
    public HttpFault Begin(ClientConnection connection, IRequestSource source, ReceiveBuffer buffer, RequestHead head)
    {
        _connection = connection;
        _source = source;
        _buffer = buffer;
        IsChunked = head.Chunked;
        Length = Math.Max(0, head.ContentLength);
        CanReplay = true;
        _prefixStart = buffer.Start;
        if (!head.HasBody)
        {
            IsComplete = true;
            return HttpFault.None;
        }

        if (!IsChunked)
        {
            PrefixLength = (int)Math.Min(buffer.Length, Length);
            _remaining = Length - PrefixLength;
            _received = PrefixLength;
            buffer.Consume(PrefixLength);
            IsComplete = _remaining == 0;
            return HttpFault.None;
        }

        var status = _decoder.Decode(buffer.Unread, _trailers, out var consumed, out var produced);
        PrefixLength = produced;
        _received = produced;
        buffer.Consume(consumed);
        IsComplete = status == ChunkStatus.Complete;
        return Fault = status == ChunkStatus.Fault ? _decoder.Fault : HttpFault.None;
    }

    /// <summary>A body whose transport tells its end: bytes without framing. Nothing of it has come with the head.</summary>
    public void BeginPlain(ClientConnection connection, IRequestSource source, RequestHead head)
    {
        _connection = connection;
        _source = source;
        _buffer = Nothing;
        _prefixStart = 0;
        _isPlain = true;
        IsChunked = head.Chunked;
        Length = Math.Max(0, head.ContentLength);
        CanReplay = true;
        IsComplete = source.HasEnded;
    }

    /// <summary>Takes in what the client has sent already, without waiting: most bodies are then complete before an endpoint is chosen.</summary>
    /// <returns>False when the body is malformed, too large or broken off.</returns>
    /// <remarks>A receive may be left under way. What it brings is not part of the body before <see cref="NextAsync"/> has taken it.</remarks>
    public bool ReadAvailable()
    {
        while (!IsComplete && HasRoom)
        {
            Post();
            if (!_receiving.IsCompletedSuccessfully)
                return true;
            _hasReceiving = false;
            if (!Take(_receiving.Result) && IsOver)
                return false;
        }
        return true;
    }

    /// <summary>Waits for the body's first bytes, as many as are asked for and kept, so that they are checked before anything goes upstream.</summary>
    /// <returns>False when the body is malformed, too large or broken off.</returns>
    [AsyncMethodBuilder(typeof(PooledAsyncMethodBuilder<>))]
    public async ValueTask<bool> BufferAsync(long bytes)
    {
        while (!IsComplete && HasRoom && _received < bytes)
        {
            if (!await NextAsync())
                return false;
        }
        return true;
    }

    /// <summary>Reads on. True with the new bytes in <see cref="Last"/>; false when the body is malformed, too large, or broke off.</summary>
    [AsyncMethodBuilder(typeof(PooledAsyncMethodBuilder<>))]
    public async ValueTask<bool> NextAsync()
    {
        while (true)
        {
            Post();
            _hasReceiving = false;
            if (Take(await _receiving))
            {
                if (Keeper is { IsFull: true } full)
                    await full.SpillAsync();
                return true;
            }
            if (IsOver)
                return false;
        }
    }

    /// <summary>Waits for the receive that is still under way into this body's buffer, if there is one. What it brings is dropped.</summary>
    [AsyncMethodBuilder(typeof(PooledAsyncMethodBuilder<>))]
    public async ValueTask<bool> SettleAsync()
    {
        _hasReceiving = false;
        return await _receiving > 0;
    }

    /// <summary>The bytes of the last read.</summary>
    public ReadOnlyMemory<byte> Last { get; private set; }

    /// <summary>Bytes of the next request that came in behind the body.</summary>
    public ReadOnlyMemory<byte> Leftover { get; private set; }

    public void Reset()
    {
        if (_store is not null)
        {
            ArrayPool<byte>.Shared.Return(_store);
            _connection.Buffers.Return(_held);
        }
        _store = null;
        _stored = 0;
        _undecoded = 0;
        _hasReceiving = false;
        _decoder = default;
        _remaining = 0;
        _received = 0;
        _trailers.Reset();
        _connection = null!;
        _source = null!;
        _buffer = null!;
        _isPlain = false;
        Last = default;
        Leftover = default;
        Limit = long.MaxValue;
        Keeper = null;
        IsOwed = false;
        IsChunked = false;
        Length = 0;
        IsComplete = false;
        IsBroken = false;
        Fault = HttpFault.None;
        PrefixLength = 0;
    }

    private void MakeRoom()
    {
        if (_isPlain)
        {
            MakePlainRoom();
        }
        else if (_store is null)
        {
            _held = IsChunked ? _connection.Buffers.Take(ReplayLimit, ChunkedStreamingSize, IsOwed)
                : _connection.Buffers.Take((int)Math.Clamp(_remaining, 1, ReplayLimit), StreamingSize, IsOwed);
            _store = ArrayPool<byte>.Shared.Rent(_held);
            // What follows the part that came with the head: the start of a trailer section, at most.
            _undecoded = IsChunked ? _buffer.Length : 0;
            if (_undecoded > 0)
            {
                _buffer.Unread.CopyTo(_store);
                _buffer.Consume(_undecoded);
            }
        }
        else if (_store.Length - _stored - _undecoded < (IsChunked ? 1 : Math.Min(_remaining, 1)))
        {
            // Full: from here on it only streams.
            CanReplay = false;
            _store.AsSpan(_stored, _undecoded).CopyTo(_store);
            _stored = 0;
        }
    }

    private void MakePlainRoom()
    {
        if (_store is null)
        {
            _held = _connection.Buffers.Take(StreamingSize, StreamingSize, IsOwed);
            _store = ArrayPool<byte>.Shared.Rent(_held);
        }
        else if (_held == _stored && !TryGrow())
        {
            // Full: from here on it only streams.
            CanReplay = false;
            _stored = 0;
        }
    }

    // A body whose end is told, and not announced, begins small.
    private bool TryGrow()
    {
        if (!CanReplay || _held >= ReplayLimit)
            return false;
        var larger = _connection.Buffers.Take(Math.Min(_held * 4, ReplayLimit), 0, IsOwed);
        if (larger == 0)
            return false;
        var store = ArrayPool<byte>.Shared.Rent(larger);
        _store.AsSpan(0, _stored).CopyTo(store);
        ArrayPool<byte>.Shared.Return(_store!);
        _connection.Buffers.Return(_held);
        _store = store;
        _held = larger;
        return true;
    }

    // At most one receive is under way.
    private void Post()
    {
        if (_hasReceiving)
            return;
        MakeRoom();
        var at = _stored + _undecoded;
        var most = (_isPlain ? _held : _store!.Length) - at;
        _receiving = _source.ReceiveBodyAsync(_store.AsMemory(at, IsChunked || _isPlain ? most : (int)Math.Min(most, _remaining)), _received);
        _hasReceiving = true;
    }

    // False when nothing came of it: the body is over in error, or only its framing has moved on.
    private bool Take(int received)
    {
        if (_isPlain)
            return TakePlain(received);
        if (received <= 0)
        {
            IsBroken = true;
            return false;
        }

        var start = _stored;
        if (!IsChunked)
        {
            _stored += received;
            _remaining -= received;
            _received += received;
            IsComplete = _remaining == 0;
            Last = _store.AsMemory(start, received);
            Keeper?.Add(Last.Span);
            return true;
        }

        var available = _undecoded + received;
        var status = _decoder.Decode(_store.AsSpan(start, available), _trailers, out var consumed, out var produced);
        if (status == ChunkStatus.Fault)
        {
            Fault = _decoder.Fault;
            return false;
        }

        var rest = _store.AsSpan(start + consumed, available - consumed);
        _stored += produced;
        _received += produced;
        if (_received > Limit)
        {
            Fault = HttpFault.BodyTooLarge;
            return false;
        }
        if (status == ChunkStatus.Complete)
        {
            IsComplete = true;
            _undecoded = 0;
            Leftover = _store.AsMemory(start + consumed, rest.Length);
        }
        else
        {
            _undecoded = rest.Length;
            rest.CopyTo(_store.AsSpan(_stored));
        }
        Last = _store.AsMemory(start, produced);
        Keeper?.Add(Last.Span);
        return produced > 0 || IsComplete;
    }

    private bool TakePlain(int received)
    {
        if (received < 0)
        {
            IsBroken = true;
            return false;
        }
        Last = _store.AsMemory(_stored, received);
        Keeper?.Add(Last.Span);
        _stored += received;
        _received += received;
        if (_received > Limit)
        {
            Fault = HttpFault.BodyTooLarge;
            return false;
        }
        if (!_source.HasEnded)
            return received > 0;
        // It must be what its head says it is, whoever has looked at that before.
        if (!IsChunked && _received != Length)
            IsBroken = true;
        else
            Fault = _source.TakeTrailers(_trailers);
        IsComplete = !IsOver;
        return IsComplete;
    }
}
