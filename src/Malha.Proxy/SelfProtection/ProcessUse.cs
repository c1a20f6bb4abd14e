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

    /// <summary>Files that are neither a client's connection nor one to an endpoint.</summary>
    public long OtherFiles => Volatile.Read(ref _files);

    /// <summary>Counts the files again when it is time. One thread at a time; not on the socket engine's.</summary>
    /// <param name="known">Connections, which are counted without this.</param>
    public void CountFiles(Func<long> known)
    {
        var started = time.GetTimestamp();
        if (_countedAt != 0 && time.GetElapsedTime(_countedAt, started) < _pause)
            return;
        try
        {
            var count = 0L;
            foreach (var one in new FileSystemEnumerable<int>(Descriptors, static (ref _) => 1))
                count += one;
            Volatile.Write(ref _files, Math.Max(0, count - known()));
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            // No such thing on this system; or there is not even a file left to count them with, and the last count stands.
        }
        _countedAt = time.GetTimestamp() | 1;
        var pause = CountCost * time.GetElapsedTime(started, _countedAt);
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
