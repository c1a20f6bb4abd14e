using System.Text;
using Malha.Proxy.Telemetry.Logging;

namespace Malha.Tests.Telemetry;

public sealed class LineRingTests
{
    [Fact]
    public void Lines_come_out_as_they_went_in_and_in_order()
    {
        var ring = new LineRing(1024);
        Assert.True(ring.TryWrite("one\n"u8));
        Assert.True(ring.TryWrite("two\n"u8));
        Assert.Equal("one\ntwo\n", ReadAll(ring));
        Assert.Equal(0, ring.Used);
    }

    [Fact]
    public void A_line_that_finds_no_room_is_refused_and_the_others_stay()
    {
        var ring = new LineRing(1024);
        var line = new string('x', 99) + "\n";
        var taken = 0;
        while (ring.TryWrite(Encoding.ASCII.GetBytes(line)))
            taken++;
        Assert.InRange(taken, 8, 10);
        Assert.Equal(string.Concat(Enumerable.Repeat(line, taken)), ReadAll(ring));
        Assert.True(ring.TryWrite("again\n"u8));
    }

    [Fact]
    public void A_reserve_is_left_to_those_who_may_use_it()
    {
        var ring = new LineRing(1024);
        while (ring.TryWrite("an ordinary line\n"u8, reserve: 128))
        {
            // Until only the reserve is left.
        }
        Assert.True(ring.TryWrite("an important line\n"u8));
        Assert.InRange(ring.Used, 1024 - 128, 1024);
    }

    [Fact]
    public void Empty_and_too_long_lines_are_refused()
    {
        var ring = new LineRing(1024);
        Assert.False(ring.TryWrite([]));
        Assert.False(ring.TryWrite(new byte[ring.MaxLine + 1]));
        Assert.True(ring.TryWrite(new byte[ring.MaxLine]));
    }

    [Fact]
    public void Lines_of_all_lengths_survive_many_turns()
    {
        var random = new Random(7);
        var ring = new LineRing(1024);
        var expected = new StringBuilder();
        var seen = new StringBuilder();
        for (var count = 0; count < 20_000; count++)
        {
            var line = $"{count}:{new string('y', random.Next(0, 100))}\n";
            while (!ring.TryWrite(Encoding.ASCII.GetBytes(line)))
                seen.Append(ReadAll(ring));
            expected.Append(line);
        }
        seen.Append(ReadAll(ring));
        Assert.Equal(expected.ToString(), seen.ToString());
    }

    [Fact]
    public async Task Lines_of_many_threads_stay_whole_and_each_threads_in_order()
    {
        const int Writers = 4;
        const int Lines = 20_000;
        var ring = new LineRing(4096);
        var writers = Enumerable.Range(0, Writers).Select(writer => Task.Factory.StartNew(
            () =>
            {
                var random = new Random(writer);
                for (var count = 0; count < Lines; count++)
                {
                    var line = Encoding.ASCII.GetBytes($"{writer} {count} {new string('z', random.Next(0, 200))}\n");
                    while (!ring.TryWrite(line))
                        Thread.Yield();
                }
            },
            TestContext.Current.CancellationToken, TaskCreationOptions.LongRunning, TaskScheduler.Default)).ToArray();

        var next = new int[Writers];
        var buffer = new byte[1024];
        for (var read = 0; read < Writers * Lines;)
        {
            TestContext.Current.CancellationToken.ThrowIfCancellationRequested();
            var length = ring.Read(buffer);
            foreach (var line in Encoding.ASCII.GetString(buffer, 0, length).Split('\n', StringSplitOptions.RemoveEmptyEntries))
            {
                var parts = line.Split(' ');
                Assert.Equal(next[int.Parse(parts[0])]++, int.Parse(parts[1]));
                Assert.DoesNotContain(parts[2], letter => letter != 'z');
                read++;
            }
        }
        await Task.WhenAll(writers);
    }

    private static string ReadAll(LineRing ring)
    {
        var text = new StringBuilder();
        var buffer = new byte[256];
        for (int length; (length = ring.Read(buffer)) > 0;)
            text.Append(Encoding.ASCII.GetString(buffer, 0, length));
        return text.ToString();
    }
}
