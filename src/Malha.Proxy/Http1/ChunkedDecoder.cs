namespace Malha.Proxy.Http1;

internal enum ChunkStatus : byte
{
    /// <summary>All that was given is consumed (or waits for the rest of the trailers); the body goes on.</summary>
    NeedMore,

    /// <summary>The last chunk and the trailers have ended the body.</summary>
    Complete,

    Fault,
}

/// <summary>
/// Decodes the chunked coding (RFC 9112, 7.1) in place: the data of the chunks is moved together at the front of the bytes given. Every byte of
/// the framing is checked, extensions too: a lone CR or LF in one has been used to smuggle requests (CVE-2025-55315). Extensions are then dropped.
/// </summary>
internal struct ChunkedDecoder
{
    /// <summary>All extensions of one body together; nobody uses them, attackers do (CVE-2023-39326).</summary>
    private const int MaxExtensionBytes = 16 * 1024;

    private enum Step : byte
    {
        Size,
        SizeDigits,
        BeforeExtension,
        ExtensionNameStart,
        ExtensionName,
        AfterExtensionName,
        ExtensionValueStart,
        ExtensionValue,
        QuotedValue,
        QuotedPair,
        AfterQuotedValue,
        SizeLineFeed,
        Data,
        DataReturn,
        DataLineFeed,
        Trailers,
        Complete,
    }

    private Step _step;
    private byte _digits;
    private int _extensionBytes;
    private long _size;

    public HttpFault Fault { get; private set; }

    /// <summary>Bytes of the current chunk that have not come yet.</summary>
    public readonly long ChunkRemaining => _step == Step.Data ? _size : 0;

    /// <param name="data">Coded bytes; on return the first <paramref name="produced"/> are decoded data.</param>
    /// <param name="trailers">Filled when the body ends; its slices count from the first byte not consumed as chunks.</param>
    /// <param name="consumed">How many coded bytes were used up; what is after them belongs to the next message, or is an unfinished trailer section.</param>
    /// <param name="produced">How many decoded bytes there are.</param>
    public ChunkStatus Decode(Span<byte> data, TrailerHead trailers, out int consumed, out int produced)
    {
        var place = 0;
        produced = 0;
        while (place < data.Length)
        {
            if (_step == Step.Data)
            {
                var length = (int)Math.Min(_size, data.Length - place);
                if (place != produced)
                    data.Slice(place, length).CopyTo(data[produced..]);
                place += length;
                produced += length;
                _size -= length;
                if (_size == 0)
                    _step = Step.DataReturn;
            }
            else if (_step == Step.Trailers)
            {
                break;
            }
            else if (!Advance(data[place++]))
            {
                consumed = place;
                return ChunkStatus.Fault;
            }
        }

        consumed = place;
        if (_step != Step.Trailers)
            return ChunkStatus.NeedMore;
        var status = trailers.Parse(data[place..]);
        if (status == ParseStatus.Fault)
        {
            Fault = trailers.Fault;
            return ChunkStatus.Fault;
        }
        if (status == ParseStatus.NeedMore)
            return ChunkStatus.NeedMore;
        consumed += trailers.Position;
        _step = Step.Complete;
        return ChunkStatus.Complete;
    }

    private bool Advance(byte value)
    {
        if (_step is > Step.SizeDigits and < Step.SizeLineFeed && ++_extensionBytes > MaxExtensionBytes)
            return Fail(HttpFault.BadChunkExtension);

        switch (_step)
        {
            case Step.Size:
                _size = 0;
                _digits = 0;
                return HttpSyntax.HexDigit(value) >= 0 ? Digit(value) : Fail(HttpFault.BadChunkSize);
            case Step.SizeDigits:
                if (HttpSyntax.HexDigit(value) >= 0)
                    return Digit(value);
                return value is HttpSyntax.CR or (byte)';' or HttpSyntax.SP or HttpSyntax.HTab ? AfterElement(value, Step.BeforeExtension) : Fail(HttpFault.BadChunkSize);
            case Step.SizeLineFeed:
                _step = _size == 0 ? Step.Trailers : Step.Data;
                return value == HttpSyntax.LF || Fail(HttpFault.BadChunkExtension);
            case Step.DataReturn:
                _step = Step.DataLineFeed;
                return value == HttpSyntax.CR || Fail(HttpFault.BadChunkEnd);
            case Step.DataLineFeed:
                _step = Step.Size;
                return value == HttpSyntax.LF || Fail(HttpFault.BadChunkEnd);
            default:
                return Extension(value);
        }
    }

    // chunk-ext = *( BWS ";" BWS name [ BWS "=" BWS ( token / quoted-string ) ] )
    private bool Extension(byte value)
    {
        var blank = value is HttpSyntax.SP or HttpSyntax.HTab;
        switch (_step)
        {
            case Step.BeforeExtension:
                return blank || (value == (byte)';' ? Go(Step.ExtensionNameStart) : Fail(HttpFault.BadChunkExtension));
            case Step.ExtensionNameStart:
                return blank || (IsToken(value) ? Go(Step.ExtensionName) : Fail(HttpFault.BadChunkExtension));
            case Step.ExtensionName:
                return IsToken(value) || (value == (byte)'=' ? Go(Step.ExtensionValueStart) : AfterElement(value, Step.AfterExtensionName));
            case Step.AfterExtensionName:
                return blank || (value == (byte)'=' ? Go(Step.ExtensionValueStart)
                    : value == (byte)';' ? Go(Step.ExtensionNameStart) : Fail(HttpFault.BadChunkExtension));
            case Step.ExtensionValueStart:
                return blank || (value == (byte)'"' ? Go(Step.QuotedValue) : IsToken(value) ? Go(Step.ExtensionValue) : Fail(HttpFault.BadChunkExtension));
            case Step.ExtensionValue:
                return IsToken(value) || AfterElement(value, Step.BeforeExtension);
            case Step.QuotedValue:
                if (value == (byte)'"')
                    return Go(Step.AfterQuotedValue);
                return value == (byte)'\\' ? Go(Step.QuotedPair) : IsText(value) || Fail(HttpFault.BadChunkExtension);
            case Step.QuotedPair:
                return IsText(value) ? Go(Step.QuotedValue) : Fail(HttpFault.BadChunkExtension);
            default:
                return AfterElement(value, Step.BeforeExtension);
        }
    }

    // What may follow a size, a name or a value: the line's end, another extension, or white space before one.
    private bool AfterElement(byte value, Step onBlank) => value switch
    {
        HttpSyntax.CR => Go(Step.SizeLineFeed),
        (byte)';' => Go(Step.ExtensionNameStart),
        HttpSyntax.SP or HttpSyntax.HTab => Go(onBlank),
        _ => Fail(HttpFault.BadChunkExtension),
    };

    private bool Digit(byte value)
    {
        // 16 digits with leading zeros are enough for everything below 2^63.
        if (++_digits > 16 || _size > long.MaxValue >> 4)
            return Fail(HttpFault.BadChunkSize);
        _size = (_size << 4) | (uint)HttpSyntax.HexDigit(value);
        return Go(Step.SizeDigits);
    }

    private bool Go(Step step)
    {
        _step = step;
        return true;
    }

    private bool Fail(HttpFault fault)
    {
        Fault = fault;
        return false;
    }

    private static bool IsToken(byte value) => HttpSyntax.Token.Contains(value);

    private static bool IsText(byte value) => !HttpSyntax.NotFieldValue.Contains(value);
}
