using Malha.Configuration.Reading.Shapes;
using Forms = Malha.Configuration.Reading.Shapes.Shapes;

namespace Malha.Configuration.Reading.Sections;

internal static class ProtectionSection
{
    /// <summary>Less would be used up by the program itself.</summary>
    private const long LeastMemory = 64 << 20;

    private const long MostMemory = 1L << 40;

    private static readonly Shape<SizeOrShare> Memory = new TextShape<SizeOrShare>(
        "a share above 0% and up to 100%, or a size from 64MiB to 1024GiB", $"{Units.SharePattern}|{Units.SizePattern}", ReadMemory, memory => memory.ToString());

    public static Section<ProtectionConfig> Section { get; } =
        new Section<ProtectionConfig>("what the gateway may use: memory, connections, files, buffers", _ => new ProtectionConfig())
        .Optional("memory", new OrOffShape<SizeOrShare>(Memory), Defaults.ProtectionMemory, p => p.Memory, (p, v) => p with { Memory = v },
            "Memory of the process; a share is of what it may have: its machine's, or its container's.")
        .Optional("connections", new OrOffShape<int>(Forms.Integer(1, 10_000_000)), Defaults.ProtectionConnections,
            p => p.Connections, (p, v) => p with { Connections = v },
            "Connections of clients, over all listeners.")
        .Optional("files", new OrOffShape<double>(Forms.SomeShare), Defaults.ProtectionFiles, p => p.Files, (p, v) => p with { Files = v },
            "The share of the files (ulimit -n) that sockets and all else may take.")
        .Optional("buffers", new OrOffShape<long>(Forms.Size(1 << 20, MostMemory)), Defaults.ProtectionBuffers,
            p => p.Buffers, (p, v) => p with { Buffers = v },
            "Bodies of requests in memory; beyond half of it they are streamed and no longer kept for another attempt.");

    private static string? ReadMemory(string text, out SizeOrShare memory)
    {
        memory = default;
        if (text.EndsWith('%'))
        {
            if (Units.ReadShare(text, out var share) is { } problem)
                return problem;
            memory = new SizeOrShare(0, share);
            return share > 0 ? null : $"{Printable.Quote(text)} is not allowed";
        }
        if (Units.ReadSize(text, out var bytes) is { } fault)
            return fault;
        memory = new SizeOrShare(bytes, 0);
        return bytes is >= LeastMemory and <= MostMemory ? null : $"{Printable.Quote(text)} is not allowed";
    }
}
