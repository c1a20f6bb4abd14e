namespace Malha.Tests.Configuration;

/// <summary>Finds the repository's files from where the tests run, and material from outside beside it.</summary>
internal static class Repository
{
    public static string Root { get; } = FindRoot();

    public static string File(params string[] parts) => Path.Combine([Root, .. parts]);

    /// <summary>The directory of outside test material, or null: then the test that needs it is skipped.</summary>
    public static string? Corpus(string name)
    {
        var corpora = Environment.GetEnvironmentVariable("MALHA_CORPORA") ?? Path.Combine(Root, "..", "shared", "corpora");
        var directory = Path.Combine(corpora, name);
        return Directory.Exists(directory) ? directory : null;
    }

    private static string FindRoot()
    {
        var directory = new DirectoryInfo(AppContext.BaseDirectory);
        while (directory is not null && !System.IO.File.Exists(Path.Combine(directory.FullName, "Malha.slnx")))
            directory = directory.Parent;
        return directory?.FullName ?? throw new InvalidOperationException("the tests run from within the repository");
    }
}
