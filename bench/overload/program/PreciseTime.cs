using System.Diagnostics;
using System.Runtime.InteropServices;

namespace Malha.Bench.Overload;

/// <summary>Monotonic nanoseconds, and a sleep that is good to about 60 µs: the runtime's own waits are good to a millisecond.</summary>
internal static partial class PreciseTime
{
    public const long Microsecond = 1_000;
    public const long Millisecond = 1_000_000;
    public const long Second = 1_000_000_000;

    public static long Now => (long)(Stopwatch.GetTimestamp() * (1e9 / Stopwatch.Frequency));

    public static void Sleep(long nanoseconds)
    {
        if (nanoseconds <= 0)
            return;
        var length = new Timespec { Seconds = nanoseconds / Second, Nanoseconds = nanoseconds % Second };
        // A signal may end it early: every caller looks at the clock again.
        _ = nanosleep(in length, 0);
    }

    // 64-bit Linux: time_t and long are both 8 bytes.
    [StructLayout(LayoutKind.Sequential)]
    private struct Timespec
    {
        public long Seconds;
        public long Nanoseconds;
    }

    [DllImport("libc", ExactSpelling = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static extern int nanosleep(in Timespec length, nint remaining);
}
