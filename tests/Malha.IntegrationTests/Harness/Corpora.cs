namespace Malha.IntegrationTests.Harness;

/// <summary>
/// Test material that others wrote. It lies outside the repository, in ../shared/corpora or where MALHA_CORPORA points; where it is absent the
/// tests that need it are skipped and say so. A path that was set and holds nothing is an error.
/// </summary>
internal static class Corpora
{
    public const string Absent = "the corpora are absent: neither ../shared/corpora nor MALHA_CORPORA";

    public static string? Root { get; } = Find();

    /// <summary>The folder of one corpus; null when it is absent.</summary>
    public static string? Folder(string name) => Root != null && Directory.Exists(Path.Combine(Root, name)) ? Path.Combine(Root, name) : null;

    private static string? Find()
    {
        if (Environment.GetEnvironmentVariable("MALHA_CORPORA") is { Length: > 0 } set)
            return Directory.Exists(set) ? set : throw new DirectoryNotFoundException($"MALHA_CORPORA: {set} does not exist");
        var folder = new DirectoryInfo(AppContext.BaseDirectory);
        while (folder != null && !File.Exists(Path.Combine(folder.FullName, "Malha.slnx")))
            folder = folder.Parent;
        var beside = folder == null ? null : Path.Combine(folder.FullName, "..", "shared", "corpora");
        return beside != null && Directory.Exists(beside) ? Path.GetFullPath(beside) : null;
    }
}
