using System.Buffers.Binary;
using Malha.Proxy.Tls;
using Malha.Proxy.Transport;

namespace Malha.Tests.Tls;

/// <summary>Records come out whole and one at a time, however the wire has cut them.</summary>
public sealed class TlsTransportTests
{
    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(4)]
    public async Task Records_come_out_whole_and_one_at_a_time_however_the_wire_has_cut_them(int seed)
    {
        var random = new Random(seed);
        var records = Enumerable.Range(0, 300).Select(_ => Record(random, random.Next(4) == 0 ? random.Next(16_384) : random.Next(300))).ToArray();
        var wire = records.SelectMany(record => record).ToArray();
        var channel = new CutChannel(wire, () => random.Next(8) == 0 ? random.Next(1, 8) : random.Next(1, 40_000));
        using var transport = new TlsTransport(channel);
        var target = new byte[32 * 1024];
        foreach (var record in records)
        {
            while (!transport.HasRecord)
                Assert.True(transport.Received(await channel.ReceiveAsync(transport.Room())));
            var got = 0;
            while (got < record.Length)
            {
                // Also into a buffer that is smaller than the record.
                var room = target.AsMemory(got, random.Next(1, target.Length - got));
                got += await transport.ReadAsync(room, TestContext.Current.CancellationToken);
                Assert.InRange(got, 1, record.Length);
            }
            Assert.Equal(record, target[..got]);
        }
        Assert.False(transport.HasRecord);
        Assert.False(transport.Received(await channel.ReceiveAsync(transport.Room())));
        Assert.True(transport.HasEnded);
        Assert.False(transport.IsBroken);
        transport.Release();
    }

    [Fact]
    public async Task Reader_that_asks_before_a_record_is_there_gets_the_next_one_and_then_the_end()
    {
        var random = new Random(5);
        var record = Record(random, 5_000);
        using var transport = new TlsTransport(new CutChannel(record, () => 700)) { HopsOff = false };
        var target = new byte[32 * 1024];
        Assert.Equal(0, await transport.ReadAsync(Memory<byte>.Empty, TestContext.Current.CancellationToken));
        Assert.Equal(record.Length, await transport.ReadAsync(target, TestContext.Current.CancellationToken));
        Assert.Equal(record, target[..record.Length]);
        Assert.False(transport.HasEnded);
        Assert.Equal(0, await transport.ReadAsync(target, TestContext.Current.CancellationToken));
        Assert.True(transport.HasEnded);
        transport.Release();
    }

    [Fact]
    public async Task Record_that_is_longer_than_tls_allows_is_no_record()
    {
        var header = new byte[] { 23, 3, 3, 0xff, 0xff };
        var channel = new CutChannel(header, () => 100);
        using var transport = new TlsTransport(channel);
        Assert.False(transport.Received(await channel.ReceiveAsync(transport.Room())));
        Assert.True(transport.IsBroken);
        transport.Release();
    }

    [Fact]
    public async Task Peer_whose_records_never_say_anything_is_not_listened_to_for_ever()
    {
        var random = new Random(6);
        var wire = Enumerable.Range(0, 1_000).SelectMany(_ => Record(random, 20)).ToArray();
        using var transport = new TlsTransport(new CutChannel(wire, () => 40_000)) { HopsOff = false };
        var target = new byte[32 * 1024];
        // As SslStream reads on while there is nothing for its own reader.
        var read = 0;
        while (await transport.ReadAsync(target, TestContext.Current.CancellationToken) > 0)
            read++;
        Assert.Equal(TlsTransport.MaxSilence + 1, read);
        Assert.True(transport.IsBroken);
        transport.Release();
    }

    private static byte[] Record(Random random, int length)
    {
        var record = new byte[5 + length];
        random.NextBytes(record);
        (record[0], record[1], record[2]) = (23, 3, 3);
        BinaryPrimitives.WriteUInt16BigEndian(record.AsSpan(3), (ushort)length);
        return record;
    }

    /// <summary>A wire that brings pieces of the sizes that it is told, and then ends.</summary>
    private sealed class CutChannel(byte[] wire, Func<int> size) : ByteChannel
    {
        private int _at;

        public override ValueTask<int> ReceiveAsync(Memory<byte> buffer)
        {
            Assert.False(buffer.IsEmpty);
            var count = Math.Min(Math.Min(size(), buffer.Length), wire.Length - _at);
            wire.AsMemory(_at, count).CopyTo(buffer);
            _at += count;
            return new ValueTask<int>(count);
        }

        public override ValueTask<bool> SendAsync(ReadOnlyMemory<byte> buffer) => new(true);

        public override void ShutdownSend()
        {
        }

        public override void ShutdownReceive()
        {
        }

        public override void Abort()
        {
        }

        protected override void Dispose(bool disposing)
        {
        }
    }
}
