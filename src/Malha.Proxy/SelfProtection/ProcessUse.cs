using System.Buffers.Text;
using System.IO.Enumeration;
using Microsoft.Win32.SafeHandles;

namespace Malha.Proxy.SelfProtection;

/// <summary>What this process uses. Memory is read ten times a second, without allocating; files are counted more seldom the longer that takes.</summary>
internal sealed class ProcessUse(TimeProvider time) : IDisposable
{
    private const string Descriptors = "/proc/self/fd";

    private static readonly TimeSpan CountEvery = TimeSpan.FromSeconds(1);

    /// <summary>Counting takes longer the more there are: half a percent of a core at most.</summary>
    private const int CountCost = 200;

    private readonly SafeFileHandle? _statm = Open("/proc/self/statm");
    private long _files;
    private long _countedAt;
    private TimeSpan _pause;
    private TimeSpan _fastest = TimeSpan.MaxValue;
    private long _counted;

    /// <summary>Files that are neither a client's connection nor one to an endpoint.</summary>
    public long OtherFiles => Volatile.Read(ref _files);

    /// <summary>Counts the files again when it is time. One thread at a time; not on the socket engine's.</summary>
    /// <param name="known">Connections, which are counted without this. They come and go while this counts, so that the rest is only known to lie between two numbers;
    /// the last count stands where it is one of these.</param>
    public void CountFiles(Func<long> known)
    {
        var started = time.GetTimestamp();
        if (_countedAt != 0 && time.GetElapsedTime(_countedAt, started) < _pause)
            return;
        var count = 0L;
        try
        {
            var before = known();
            foreach (var one in new FileSystemEnumerable<int>(Descriptors, static (ref _) => 1))
                count += one;
            var after = known();
            var (least, most) = (Math.Max(0, count - Math.Max(before, after)), Math.Max(0, count - Math.Min(before, after)));
            Volatile.Write(ref _files, Math.Clamp(_files, least, most));
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            // No such thing on this system; or there is not even a file left to count them with, and the last count stands.
        }
        _countedAt = time.GetTimestamp() | 1;
        var pause = CountCost * CountTakes(count, time.GetElapsedTime(started, _countedAt));
        _pause = pause > CountEvery ? pause : CountEvery;
    }

    /// <summary>All that is read of it.</summary>
    /// <param name="monitor">Counts clients' connections and bodies.</param>
    /// <param name="upstream">Connections to endpoints.</param>
    public ProtectionReadings Read(OverloadMonitor monitor, long upstream)
    {
        var connections = monitor.Connections;
        return new ProtectionReadings(Memory(), OtherFiles + connections + upstream, connections, monitor.Buffers.Used);
    }

    /// <summary>Bytes of memory: what is resident, or the managed heap when that is more.</summary>
    public long Memory()
    {
        Span<byte> text = stackalloc byte[128];
        var heap = GC.GetTotalMemory(forceFullCollection: false);
        if (_statm is null)
            return Math.Max(heap, Environment.WorkingSet);
        try
        {
            // Pages: total, resident, ….
            text = text[..RandomAccess.Read(_statm, text, 0)];
        }
        catch (Exception exception) when (exception is IOException or ObjectDisposedException)
        {
            return heap;
        }
        var second = text[(text.IndexOf((byte)' ') + 1)..];
        return Utf8Parser.TryParse(second, out long pages, out _) ? Math.Max(heap, pages * Environment.SystemPageSize) : heap;
    }

    public void Dispose() => _statm?.Dispose();

    // How long counting takes by the fastest one so far: the first one of a process and one that had to wait for a processor take many times as long, and a start opens
    // many files that would then not be seen for long.
    private TimeSpan CountTakes(long count, TimeSpan elapsed)
    {
        if (count > 0 && elapsed / count < _fastest)
            _fastest = elapsed / count;
        return _counted++ == 0 ? TimeSpan.Zero : _fastest * count;
    }

    private static SafeFileHandle? Open(string file)
    {
        try
        {
            return File.OpenHandle(file);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }
}
