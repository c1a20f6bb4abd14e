using System.Diagnostics;

namespace Malha.Proxy.Telemetry.Metrics;

/// <summary>The process and its runtime, under the names that Prometheus clients and .NET's semantic conventions give them.</summary>
internal static class ProcessMetricsReader
{
    private static readonly double StartedAt = new DateTimeOffset(Process.GetCurrentProcess().StartTime).ToUnixTimeMilliseconds() / 1000.0;

    public static IEnumerable<MetricFamily> Read()
    {
        yield return Counter("process.cpu", "s", "CPU time, in user and system mode.", Environment.CpuUsage.TotalTime.TotalSeconds);
        yield return Gauge("process.resident_memory", "By", "Memory that the process holds in RAM.", Environment.WorkingSet);
        yield return Gauge("process.start_time", "s", "When the process started, since the epoch.", StartedAt);
        if (CountOf("/proc/self/fd") is { } descriptors)
            yield return Gauge("process.open_fds", "{descriptor}", "File descriptors, sockets among them.", descriptors);
        if (CountOf("/proc/self/task") is { } threads)
            yield return Gauge("process.threads", "{thread}", "Threads, the runtime's own among them.", threads);

        yield return new("dotnet.gc.collections", MetricKind.Counter, "{collection}", "Garbage collections, by the oldest generation collected.",
            [.. Enumerable.Range(0, GC.MaxGeneration + 1).Select(generation => new MetricPoint([new("gc.heap.generation", $"gen{generation}")], GC.CollectionCount(generation)))]);
        yield return Counter("dotnet.gc.heap.total_allocated", "By", "Bytes allocated on the heap since the start.", GC.GetTotalAllocatedBytes());
        yield return Counter("dotnet.gc.pause.time", "s", "Time in which garbage collections stopped all threads.", GC.GetTotalPauseDuration().TotalSeconds);
        var last = GC.GetGCMemoryInfo();
        yield return Gauge("dotnet.gc.last_collection.heap.size", "By", "The heap after the last collection.", last.HeapSizeBytes);
        yield return Gauge("dotnet.gc.last_collection.memory.committed_size", "By", "Memory that the collector held after the last collection.", last.TotalCommittedBytes);
        yield return Gauge("dotnet.thread_pool.threads", "{thread}", "Threads of the pool.", ThreadPool.ThreadCount);
        yield return Gauge("dotnet.thread_pool.queue.length", "{work_item}", "Work items that wait for a thread of the pool.", ThreadPool.PendingWorkItemCount);
        yield return Counter("dotnet.thread_pool.work_items", "{work_item}", "Work items that the pool has run.", ThreadPool.CompletedWorkItemCount);
        yield return Counter("dotnet.monitor.lock_contentions", "{contention}", "Times that a thread had to wait for a lock.", Monitor.LockContentionCount);
        yield return Gauge("dotnet.timers", "{timer}", "Timers that are armed.", Timer.ActiveCount);
    }

    private static MetricFamily Counter(string name, string unit, string description, double value) =>
        new(name, MetricKind.Counter, unit, description, [new MetricPoint([], value)]);

    private static MetricFamily Gauge(string name, string unit, string description, double value) =>
        new(name, MetricKind.Gauge, unit, description, [new MetricPoint([], value)]);

    // Null where there is no /proc.
    private static int? CountOf(string directory)
    {
        try
        {
            return Directory.EnumerateFileSystemEntries(directory).Count();
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }
}
