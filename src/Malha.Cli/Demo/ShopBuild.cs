using System.Diagnostics;

namespace Malha.Cli.Demo;

/// <summary>Builds the sample shop when a source is newer than its program.</summary>
internal static class ShopBuild
{
    /// <summary>The result is why the build failed, or null.</summary>
    public static async Task<string?> RunAsync(DemoSite site, TextWriter output, CancellationToken cancellation)
    {
        if (IsFresh(site))
            return null;

        await output.WriteLineAsync("building samples/shop");
        var start = new ProcessStartInfo("dotnet", ["build", site.ShopProject, "-c", "Release", "-v", "q", "--nologo"])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            WorkingDirectory = site.Root,
        };
        using var build = Process.Start(start)!;
        try
        {
            var said = await Task.WhenAll(build.StandardOutput.ReadToEndAsync(cancellation), build.StandardError.ReadToEndAsync(cancellation));
            await build.WaitForExitAsync(cancellation);
            return build.ExitCode == 0 ? null : $"samples/shop does not build:\n{string.Concat(said)}";
        }
        finally
        {
            if (!build.HasExited)
                build.Kill(entireProcessTree: true);
        }
    }

    private static bool IsFresh(DemoSite site)
    {
        var program = new FileInfo(Path.ChangeExtension(site.ShopProgram, ".dll"));
        return program.Exists && File.Exists(site.ShopProgram)
            && new DirectoryInfo(site.ShopProject).EnumerateFiles("*.cs*", SearchOption.AllDirectories)
                .All(source => source.LastWriteTimeUtc <= program.LastWriteTimeUtc);
    }
}
