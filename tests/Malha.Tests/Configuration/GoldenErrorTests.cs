namespace Malha.Tests.Configuration;

/// <summary>
/// Each file in Golden is a bad configuration; the file of the same name that ends in .errors is exactly what is said about it.
/// MALHA_UPDATE_GOLDEN=1 writes them anew: read the difference before committing it.
/// </summary>
public sealed class GoldenErrorTests
{
    private static readonly string Folder = Repository.File("tests", "Malha.Tests", "Configuration", "Golden");

    public static TheoryData<string> Files => [.. Directory.GetFiles(Folder, "*.yaml").Select(file => Path.GetFileNameWithoutExtension(file)).Order()];

    [Theory]
    [MemberData(nameof(Files))]
    public void A_bad_file_gets_exactly_these_errors(string name)
    {
        var errors = string.Concat(Yaml.Errors(File.ReadAllText(Path.Combine(Folder, name + ".yaml"))).Select(error => error + "\n"));
        var golden = Path.Combine(Folder, name + ".errors");
        if (Environment.GetEnvironmentVariable("MALHA_UPDATE_GOLDEN") == "1")
            File.WriteAllText(golden, errors);
        Assert.Equal(File.ReadAllText(golden), errors);
    }
}
