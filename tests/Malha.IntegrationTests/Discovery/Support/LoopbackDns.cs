using System.Buffers.Binary;
using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;
using System.Text;

namespace Malha.IntegrationTests.Discovery.Support;

/// <summary>A real, small DNS server on loopback (RFC 1035 over UDP): it says of a name what a test wants, or fails as one wants.</summary>
internal sealed class LoopbackDns : IAsyncDisposable
{
    private const int HeaderLength = 12;

    private readonly Socket _socket = new(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp);
    private readonly ConcurrentDictionary<string, Record[]> _records = new(StringComparer.OrdinalIgnoreCase);
    private readonly Task _serving;
    private int _questions;

    public LoopbackDns()
    {
        _socket.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        _serving = ServeAsync();
    }

    public enum Failure
    {
        None,
        ServerFailure = 2,
        NoSuchName = 3,

        /// <summary>No word at all.</summary>
        Silence = 16,
    }

    public int Port => ((IPEndPoint)_socket.LocalEndPoint!).Port;

    /// <summary>How every question fails now.</summary>
    public Failure Failing { get; set; }

    /// <summary>Seconds that answers hold.</summary>
    public int Ttl { get; set; }

    public int Questions => Volatile.Read(ref _questions);

    /// <summary>The <c>dns</c> section that leads here.</summary>
    public string Yaml(string further = "minTtl: 20ms, timeout: 1s") => $"dns: {{ resolvers: [ \"127.0.0.1:{Port}\" ], {further} }}";

    public void Say(string name, params string[] addresses) =>
        _records[name] = [.. addresses.Select(IPAddress.Parse).Select(address => new Record(address.AddressFamily == AddressFamily.InterNetwork ? 1 : 28, address.GetAddressBytes()))];

    /// <summary>The name is another one's alias.</summary>
    public void Alias(string name, string canonical) => _records[name] = [new Record(5, Encode(canonical), canonical)];

    public void SayServices(string name, params (int Priority, int Weight, int Port, string Host)[] services) => _records[name] =
        [.. services.Select(one => new Record(33, [.. Number(one.Priority), .. Number(one.Weight), .. Number(one.Port), .. Encode(one.Host)]))];

    public async ValueTask DisposeAsync()
    {
        _socket.Dispose();
        await _serving;
    }

    private async Task ServeAsync()
    {
        var buffer = new byte[2048];
        try
        {
            while (true)
            {
                var received = await _socket.ReceiveFromAsync(buffer, SocketFlags.None, new IPEndPoint(IPAddress.Any, 0));
                Interlocked.Increment(ref _questions);
                if (Failing != Failure.Silence)
                    await _socket.SendToAsync(Answer(buffer.AsSpan(0, received.ReceivedBytes)), SocketFlags.None, received.RemoteEndPoint);
            }
        }
        catch (Exception exception) when (exception is SocketException or ObjectDisposedException)
        {
            // The test is over.
        }
    }

    private byte[] Answer(ReadOnlySpan<byte> question)
    {
        var (name, end) = Decode(question, HeaderLength);
        var type = BinaryPrimitives.ReadUInt16BigEndian(question[end..]);
        var answers = new List<byte[]>();
        for (var asked = name; Failing == Failure.None && _records.TryGetValue(asked, out var records);)
        {
            answers.AddRange(records.Where(record => record.Type == type || record.Type == 5).Select(record => Line(asked, record)));
            if (records is not [{ Type: 5, Canonical: { } canonical }])
                break;
            asked = canonical;
        }
        var isKnown = Failing == Failure.None && _records.ContainsKey(name);
        var code = Failing != Failure.None ? (int)Failing : isKnown ? 0 : (int)Failure.NoSuchName;
        return [.. question[..2], 0x81, (byte)(0x80 | code), 0, 1, .. Number(answers.Count), 0, 0, 0, 0, .. question[HeaderLength..(end + 4)], .. answers.SelectMany(line => line)];
    }

    private byte[] Line(string name, Record record) => [.. Encode(name), .. Number(record.Type), 0, 1, 0, 0, .. Number(Ttl), .. Number(record.Data.Length), .. record.Data];

    private static byte[] Number(int value) => [(byte)(value >> 8), (byte)value];

    private static byte[] Encode(string name) => [.. name.Split('.').SelectMany(label => Encoding.ASCII.GetBytes(label).Prepend((byte)label.Length)), 0];

    private static (string Name, int End) Decode(ReadOnlySpan<byte> message, int place)
    {
        var labels = new List<string>();
        while (message[place] != 0)
        {
            labels.Add(Encoding.ASCII.GetString(message.Slice(place + 1, message[place])));
            place += message[place] + 1;
        }
        return (string.Join('.', labels), place + 1);
    }

    private sealed record Record(int Type, byte[] Data, string? Canonical = null);
}
