using System.Text;
using Malha.Proxy.Telemetry.Logging;

namespace Malha.Tests.Telemetry;

public sealed class LogOutputTests
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);

    [Fact]
    public void A_lone_line_is_written_without_being_asked_for()
    {
        using var stream = new GatedStream(open: true);
        using var output = new LogOutput(stream, isTerminal: false);
        output.Write("hello\n"u8);
        Assert.True(stream.Written.WaitOne(Patience));
        Assert.Equal("hello\n", stream.Text);
    }

    [Fact]
    public void Flush_returns_when_all_is_written()
    {
        using var stream = new GatedStream(open: true);
        using var output = new LogOutput(stream, isTerminal: false);
        for (var count = 0; count < 1000; count++)
            output.Write(Encoding.ASCII.GetBytes($"{count}\n"));
        Assert.True(output.Flush(Patience));
        Assert.Equal(string.Concat(Enumerable.Range(0, 1000).Select(count => $"{count}\n")), stream.Text);
        Assert.Equal(1000, output.Lines);
    }

    [Fact]
    public void What_is_left_is_written_at_the_end_even_if_the_thread_had_not_begun()
    {
        for (var count = 0; count < 100; count++)
        {
            using var stream = new GatedStream(open: true);
            using (var output = new LogOutput(stream, isTerminal: false))
                output.Write("last words\n"u8);
            Assert.Equal("last words\n", stream.Text);
        }
    }

    [Fact]
    public void A_line_after_the_end_harms_nobody()
    {
        using var stream = new GatedStream(open: true);
        var output = new LogOutput(stream, isTerminal: false);
        output.Dispose();
        output.Write("too late\n"u8);
        Assert.DoesNotContain("too late", stream.Text, StringComparison.Ordinal);
    }

    [Fact]
    public void A_stuck_reader_costs_lines_and_not_time_and_the_log_says_how_many()
    {
        using var stream = new GatedStream(open: false);
        using var output = new LogOutput(stream, isTerminal: false, capacity: 8192)
        {
            Notice = (buffer, dropped) => Encoding.ASCII.GetBytes($"dropped {dropped}\n", buffer),
        };
        var line = Encoding.ASCII.GetBytes(new string('x', 99) + "\n");
        for (var count = 0; count < 1000; count++)
            output.Write(line);
        var dropped = output.Dropped;
        Assert.InRange(dropped, 800, 1000);
        Assert.Equal(1000, output.Lines + dropped);

        stream.Open();
        Assert.True(output.Flush(Patience));
        Assert.Equal(output.Lines, stream.Text.Split('\n').Count(text => text.StartsWith('x')));
        Assert.Contains($"dropped {dropped}\n", stream.Text);

        output.Write("after\n"u8);
        Assert.True(output.Flush(Patience));
        Assert.EndsWith("after\n", stream.Text);
    }

    [Fact]
    public void Events_find_room_where_requests_no_longer_do()
    {
        using var stream = new GatedStream(open: false);
        using var output = new LogOutput(stream, isTerminal: false, capacity: 8192);
        for (var count = 0; count < 1000; count++)
            output.Write("a request\n"u8);
        output.Write("an event\n"u8, important: true);
        stream.Open();
        Assert.True(output.Flush(Patience));
        Assert.EndsWith("an event\n", stream.Text);
    }

    [Fact]
    public void A_stream_that_fails_is_counted_and_nothing_ends()
    {
        using var stream = new GatedStream(open: true) { Fails = true };
        using var output = new LogOutput(stream, isTerminal: false);
        output.Write("lost\n"u8);
        output.Write("lost\n"u8);
        output.Flush(Patience);
        Assert.Equal(2, output.Dropped);

        stream.Fails = false;
        output.Write("kept\n"u8);
        Assert.True(output.Flush(Patience));
        Assert.Equal("kept\n", stream.Text);
    }

    [Fact]
    public void Writing_a_line_allocates_nothing()
    {
        using var stream = new GatedStream(open: true);
        using var output = new LogOutput(stream, isTerminal: false);
        output.Write("warm\n"u8);
        var before = GC.GetAllocatedBytesForCurrentThread();
        for (var count = 0; count < 1000; count++)
            output.Write("a line\n"u8);
        Assert.Equal(before, GC.GetAllocatedBytesForCurrentThread());
    }

    /// <summary>A reader of the log that can be made to stand still.</summary>
    private sealed class GatedStream(bool open) : Stream
    {
        private readonly ManualResetEvent _gate = new(open);
        private readonly MemoryStream _bytes = new();

        public AutoResetEvent Written { get; } = new(false);

        public bool Fails { get; set; }

        public string Text
        {
            get
            {
                lock (_bytes)
                    return Encoding.UTF8.GetString(_bytes.ToArray());
            }
        }

        public override bool CanRead => false;

        public override bool CanSeek => false;

        public override bool CanWrite => true;

        public override long Length => 0;

        public override long Position { get; set; }

        public void Open() => _gate.Set();

        public override void Write(ReadOnlySpan<byte> buffer)
        {
            _gate.WaitOne();
            if (Fails)
                throw new IOException("no space");
            lock (_bytes)
                _bytes.Write(buffer);
            Written.Set();
        }

        public override void Write(byte[] buffer, int offset, int count) => Write(buffer.AsSpan(offset, count));

        public override void Flush()
        {
        }

        public override int Read(byte[] buffer, int offset, int count) => 0;

        public override long Seek(long offset, SeekOrigin origin) => 0;

        public override void SetLength(long value)
        {
        }

        protected override void Dispose(bool disposing)
        {
            _gate.Set();
            if (disposing)
            {
                _bytes.Dispose();
                Written.Dispose();
            }
            base.Dispose(disposing);
        }
    }
}
