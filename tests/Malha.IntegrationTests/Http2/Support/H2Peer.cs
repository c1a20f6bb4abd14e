using System.Buffers.Binary;
using System.Globalization;
using System.Text;
using Malha.IntegrationTests.Traffic.Support;

namespace Malha.IntegrationTests.Http2.Support;

/// <summary>One frame as it was on the wire.</summary>
internal sealed record H2Frame(byte Type, byte Flags, int Stream, byte[] Payload);

/// <summary>A client that sends exactly the frames that a test tells it, good or bad.</summary>
internal sealed class H2Peer(Peer peer) : IAsyncDisposable
{
    public const byte Data = 0, Headers = 1, Priority = 2, Reset = 3, Settings = 4, Ping = 6, GoAway = 7, WindowUpdate = 8, Continuation = 9;
    public const byte EndStream = 1, Ack = 1, EndHeaders = 4;

    public static ReadOnlySpan<byte> Preface => "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"u8;

    public Peer Peer { get; } = peer;

    /// <summary>Connects and sends preface and settings.</summary>
    public static async Task<H2Peer> ConnectAsync(int port)
    {
        var client = new H2Peer(await Peer.ConnectAsync(port));
        await client.Peer.SendAsync((byte[])[.. Preface, .. Frame(Settings, 0, 0)]);
        return client;
    }

    public static byte[] Frame(byte type, byte flags, int stream, ReadOnlySpan<byte> payload = default)
    {
        var frame = new byte[9 + payload.Length];
        BinaryPrimitives.WriteUInt32BigEndian(frame, (uint)payload.Length << 8);
        frame[3] = type;
        frame[4] = flags;
        BinaryPrimitives.WriteInt32BigEndian(frame.AsSpan(5), stream);
        payload.CopyTo(frame.AsSpan(9));
        return frame;
    }

    /// <summary>Fields as HPACK's literals without indexing, as they are: nothing checks them here.</summary>
    public static byte[] Fields(params (string Name, string Value)[] fields)
    {
        var bytes = new List<byte>();
        foreach (var (name, value) in fields)
        {
            bytes.Add(0);
            Text(name);
            Text(value);
        }
        return [.. bytes];

        void Text(string text)
        {
            // The length is an integer with a prefix of seven bits (RFC 7541, 5.1).
            var left = text.Length;
            if (left < 127)
                bytes.Add((byte)left);
            else
            {
                bytes.Add(127);
                for (left -= 127; left >= 128; left >>= 7)
                    bytes.Add((byte)(left & 127 | 128));
                bytes.Add((byte)left);
            }
            bytes.AddRange(Encoding.Latin1.GetBytes(text));
        }
    }

    /// <summary>The pseudo fields of a request and further ones.</summary>
    public static byte[] Request(string method, string path, params (string Name, string Value)[] fields) =>
        Fields([(":method", method), (":scheme", "http"), (":authority", "shop.example"), (":path", path), .. fields]);

    public Task SendAsync(byte type, byte flags, int stream, ReadOnlySpan<byte> payload = default) => Peer.SendAsync(Frame(type, flags, stream, payload));

    /// <summary>The next frame; null when the connection has ended.</summary>
    public async Task<H2Frame?> ReadAsync()
    {
        var head = await Peer.ReadAsync(9);
        if (head.Length < 9)
            return null;
        var length = (int)(BinaryPrimitives.ReadUInt32BigEndian(head) >> 8);
        var payload = await Peer.ReadAsync(length);
        return payload.Length < length ? null : new H2Frame(head[3], head[4], BinaryPrimitives.ReadInt32BigEndian(head.AsSpan(5)), payload);
    }

    /// <summary>How a stream ends: the status and the body of an answer, <c>reset N</c>, or <c>closed</c> (<c>goaway N</c> before it).</summary>
    public async Task<string> AnswerAsync(int stream)
    {
        var status = "";
        var body = new StringBuilder();
        var last = "closed";
        while (await ReadAsync() is { } frame)
        {
            if (frame.Type == Settings && (frame.Flags & Ack) == 0)
                await Peer.TrySendAsync(Frame(Settings, Ack, 0));
            if (frame.Type == GoAway)
                last = $"goaway {BinaryPrimitives.ReadInt32BigEndian(frame.Payload.AsSpan(4))}";
            if (frame.Stream != stream)
                continue;
            if (frame.Type == Reset)
                return $"reset {BinaryPrimitives.ReadInt32BigEndian(frame.Payload)}";
            if (frame.Type == Headers && status.Length == 0)
                status = StatusOf(frame.Payload);
            if (frame.Type == Data)
                body.Append(Encoding.Latin1.GetString(frame.Payload));
            if (frame.Type is Headers or Data && (frame.Flags & EndStream) != 0)
                return $"{status} {body}".TrimEnd();
        }
        return last;
    }

    /// <summary>Reads until the server ends the connection.</summary>
    public async Task EndAsync()
    {
        while (await ReadAsync() is not null)
        {
            // Whatever it says.
        }
    }

    public ValueTask DisposeAsync() => Peer.DisposeAsync();

    // The first field of an answer's head: indexed, or a literal with an indexed name (RFC 7541, appendix A).
    private static string StatusOf(byte[] block)
    {
        var at = 0;
        while ((block[at] & 0xE0) == 0x20)
            at++;
        string[] indexed = ["200", "204", "206", "304", "400", "404", "500"];
        // What has been said before on the connection has an index of its own, which nobody keeps here.
        if ((block[at] & 0x80) != 0)
            return (block[at] & 0x7F) is >= 8 and <= 14 and var index ? indexed[index - 8] : "again";
        return Encoding.Latin1.GetString(block, at + 2, block[at + 1] & 0x7F).ToString(CultureInfo.InvariantCulture);
    }
}
