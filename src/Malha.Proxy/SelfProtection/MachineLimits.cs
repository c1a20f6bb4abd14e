using System.Globalization;

namespace Malha.Proxy.SelfProtection;

/// <summary>What the operating system lets the process have.</summary>
/// <param name="Memory">Bytes: the machine's, or its container's when that is less.</param>
/// <param name="Files">Open files (RLIMIT_NOFILE); <see cref="BudgetUse.Unlimited"/> where there is no limit, or nobody says.</param>
internal sealed record MachineLimits(long Memory, long Files)
{
    private const string ControlGroups = "/sys/fs/cgroup";

    public static MachineLimits Read() => new(ReadMemory(), ReadFiles());

    // The collector knows a number as well, but in a container that is its own share and not the container's limit.
    private static long ReadMemory()
    {
        var machine = Lines("/proc/meminfo").FirstOrDefault(line => line.StartsWith("MemTotal:", StringComparison.Ordinal)) is { } line
            && long.TryParse(line.Split(' ', StringSplitOptions.RemoveEmptyEntries)[1], CultureInfo.InvariantCulture, out var kilobytes)
            ? kilobytes * 1024 : GC.GetGCMemoryInfo().TotalAvailableMemoryBytes;
        return ControlGroupFiles().Select(file => Lines(file).FirstOrDefault())
            .Select(text => long.TryParse(text, CultureInfo.InvariantCulture, out var bytes) && bytes > 0 ? bytes : long.MaxValue)
            .Append(machine).Min();
    }

    // Version 2: the group's own limit and those of all around it hold. Version 1 shows a container its own group as the root.
    private static IEnumerable<string> ControlGroupFiles()
    {
        yield return $"{ControlGroups}/memory.max";
        yield return $"{ControlGroups}/memory/memory.limit_in_bytes";
        var group = Lines("/proc/self/cgroup").FirstOrDefault(line => line.StartsWith("0::/", StringComparison.Ordinal))?[3..];
        while (!string.IsNullOrEmpty(group) && group != "/")
        {
            yield return $"{ControlGroups}{group}/memory.max";
            group = Path.GetDirectoryName(group);
        }
    }

    private static long ReadFiles() =>
        Lines("/proc/self/limits").FirstOrDefault(line => line.StartsWith("Max open files", StringComparison.Ordinal)) is { } line
        && long.TryParse(line.Split(' ', StringSplitOptions.RemoveEmptyEntries)[3], CultureInfo.InvariantCulture, out var files) ? files : BudgetUse.Unlimited;

    private static string[] Lines(string file)
    {
        try
        {
            return File.ReadAllLines(file);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            return [];
        }
    }
}
