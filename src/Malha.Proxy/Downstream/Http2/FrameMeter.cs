using System.Buffers.Binary;

namespace Malha.Proxy.Downstream.Http2;

/// <summary>What a client sends too much of.</summary>
internal enum FrameFlood : byte
{
    None,

    /// <summary>Frames that ask for work and carry nothing: PING, SETTINGS, PRIORITY, WINDOW_UPDATE, unknown ones, empty DATA and CONTINUATION.</summary>
    Control,

    /// <summary>Streams that are opened and reset at once (CVE-2023-44487).</summary>
    Resets,

    /// <summary>A head in more pieces than its size needs.</summary>
    Continuations,
}

/// <summary>
/// Reads the frame headers of a connection as its bytes pass, and counts what Kestrel does not limit: each frame that carries nothing takes one from an
/// allowance that grows with time and with what is carried, and so does each reset from a second one. Who has used up one of them is a flood.
/// </summary>
/// <remarks>
/// A client that is told "too often" by a peer of its own (gRPC's bandwidth probes send a PING per round trip, and only while data flows; flow control sends
/// a WINDOW_UPDATE per few KB received) never comes near: what it receives and sends pays for more than it asks.
/// </remarks>
internal sealed class FrameMeter(TimeProvider time)
{
    public static ReadOnlySpan<byte> Preface => "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"u8;

    private const int HeaderSize = 9;

    /// <summary>Envoy allows 10,000 control frames in its outbound queue; nginx takes 10,000 frames more than twice the bytes as a flood.</summary>
    private const double ControlBurst = 1_000;
    private const double ControlPerSecond = 200;
    private const double ControlPerFrame = 2;
    private const double BytesPerControl = 512;

    /// <summary>A client that gives up that many calls in a second has other troubles (Envoy: premature resets from 500 streams on).</summary>
    private const double ResetBurst = 200;
    private const double ResetsPerSecond = 100;

    /// <summary>The largest head that a listener may allow is 1 MiB, in frames of 16 KiB.</summary>
    private const int MostContinuations = 64;

    private readonly byte[] _header = new byte[HeaderSize];
    private int _prefaceLeft = Preface.Length;
    private int _headerLength;
    private int _payloadLeft;
    private int _continuations;
    private double _control = ControlBurst;
    private double _resets = ResetBurst;
    private long _sent;
    private long _last = time.GetTimestamp();

    public static string NameOf(FrameFlood flood) => flood switch
    {
        FrameFlood.Resets => "RST_STREAM",
        FrameFlood.Continuations => "CONTINUATION",
        _ => "control",
    };

    /// <summary>Bytes have gone to the client. From the thread that sends.</summary>
    public void Sent(long bytes) => Volatile.Write(ref _sent, _sent + bytes);

    /// <summary>Takes the next bytes in. From the thread that receives.</summary>
    public FrameFlood Take(ReadOnlySpan<byte> bytes)
    {
        Refill();
        while (!bytes.IsEmpty)
        {
            var passed = Math.Min(bytes.Length, _prefaceLeft + _payloadLeft);
            if (passed > 0)
            {
                // The preface has no payload before it, and no frame begins within it.
                var ofPreface = Math.Min(passed, _prefaceLeft);
                _prefaceLeft -= ofPreface;
                _payloadLeft -= passed - ofPreface;
                bytes = bytes[passed..];
                continue;
            }
            var taken = Math.Min(bytes.Length, HeaderSize - _headerLength);
            bytes[..taken].CopyTo(_header.AsSpan(_headerLength));
            _headerLength += taken;
            bytes = bytes[taken..];
            if (_headerLength < HeaderSize)
                return FrameFlood.None;
            _headerLength = 0;
            var flood = Count();
            if (flood != FrameFlood.None)
                return flood;
        }
        return FrameFlood.None;
    }

    private FrameFlood Count()
    {
        var length = (int)(BinaryPrimitives.ReadUInt32BigEndian(_header) >> 8);
        _payloadLeft = length;
        var type = _header[3];
        _continuations = type == 0x9 ? _continuations + 1 : 0;
        if (_continuations > MostContinuations)
            return FrameFlood.Continuations;
        switch (type)
        {
            case 0x0 when length > 0 || (_header[4] & 1) != 0:
            case 0x1:
            case 0x9 when length > 0:
                _control = Math.Min(ControlBurst, _control + ControlPerFrame);
                return FrameFlood.None;
            case 0x3:
                return --_resets < 0 ? FrameFlood.Resets : FrameFlood.None;
            default:
                return --_control < 0 ? FrameFlood.Control : FrameFlood.None;
        }
    }

    private void Refill()
    {
        var now = time.GetTimestamp();
        var seconds = time.GetElapsedTime(_last, now).TotalSeconds;
        _last = now;
        var sent = Interlocked.Exchange(ref _sent, 0);
        _control = Math.Min(ControlBurst, _control + (seconds * ControlPerSecond) + (sent / BytesPerControl));
        _resets = Math.Min(ResetBurst, _resets + (seconds * ResetsPerSecond));
    }
}
