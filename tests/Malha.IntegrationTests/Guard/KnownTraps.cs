using Malha.IntegrationTests.Guard.Traps;

namespace Malha.IntegrationTests.Guard;

/// <summary>All the named traps, and their good twins.</summary>
internal static class KnownTraps
{
    public static IReadOnlyDictionary<string, GuardCase> ByName { get; } = new[]
    {
        LengthTraps.All(), EncodingTraps.All(), FieldTraps.All(), HostTraps.All(), ChunkTraps.All(), TrailerTraps.All(), TargetTraps.All(),
        LineTraps.All(), SizeTraps.All(), PipelineTraps.All(),
    }.SelectMany(traps => traps).ToDictionary(trap => trap.Name);
}
