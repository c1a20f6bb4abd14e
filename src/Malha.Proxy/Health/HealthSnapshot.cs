using Malha.Resilience;

namespace Malha.Proxy.Health;

/// <summary>How a service is, in one word.</summary>
internal enum ServiceCourse : byte
{
    Healthy,

    /// <summary>It serves, and something behind it is not well.</summary>
    Degraded,

    /// <summary>Fewer than half are healthy, and the unhealthy ones that still work are used too.</summary>
    Panic,

    /// <summary>Nobody gets a call.</summary>
    Unhealthy,
}

/// <summary>The verdict about a service as of its last evaluation; replaced whole.</summary>
/// <param name="Course">In one word.</param>
/// <param name="Usable">How many endpoints calls may go to.</param>
/// <param name="Cause">The dependencies that trouble it; null when none is known.</param>
/// <param name="Detail">What a refused client is told.</param>
/// <param name="RetryAt">When things may have changed: the next check.</param>
internal sealed record HealthSnapshot(ServiceCourse Course, int Usable, string? Cause, string? Detail, Moment RetryAt)
{
    public static HealthSnapshot Unknown { get; } = new(ServiceCourse.Healthy, 0, null, null, Moment.Never);
}
