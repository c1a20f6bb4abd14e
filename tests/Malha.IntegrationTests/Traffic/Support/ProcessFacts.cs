using System.Diagnostics;
using System.Globalization;

namespace Malha.IntegrationTests.Traffic.Support;

/// <summary>What Linux tells of a process.</summary>
internal static class ProcessFacts
{
    public static long ResidentBytes(int processId) => Status(processId, "VmRSS:");

    /// <summary>The most that it ever had in memory.</summary>
    public static long PeakResidentBytes(int processId) => Status(processId, "VmHWM:");

    public static int OpenFiles(int processId) => Directory.EnumerateFileSystemEntries($"/proc/{processId}/fd").Count();

    /// <summary>The processor time that it has had.</summary>
    public static TimeSpan ProcessorTime(int processId)
    {
        using var process = Process.GetProcessById(processId);
        return process.TotalProcessorTime;
    }

    /// <summary>How many files this process and its children may open.</summary>
    public static long OpenFilesLimit
    {
        get
        {
            var line = File.ReadLines("/proc/self/limits").First(line => line.StartsWith("Max open files", StringComparison.Ordinal));
            var soft = line.Split(' ', StringSplitOptions.RemoveEmptyEntries)[3];
            return soft == "unlimited" ? long.MaxValue : long.Parse(soft, CultureInfo.InvariantCulture);
        }
    }

    private static long Status(int processId, string key)
    {
        var line = File.ReadLines($"/proc/{processId}/status").First(line => line.StartsWith(key, StringComparison.Ordinal));
        return long.Parse(line.Split(' ', StringSplitOptions.RemoveEmptyEntries)[1], CultureInfo.InvariantCulture) * 1024;
    }
}
