using Malha.Lab.Kafka;

namespace Malha.IntegrationTests.Kafka;

/// <summary>A real Kafka for tests. Where there is none to be had the tests are skipped, and say how to get one; where there is one they run.</summary>
internal static class RealKafka
{
    /// <summary>The source tree.</summary>
    public static string Root { get; } = FindRoot();

    private static readonly Lazy<Task<string?>> Missing = new(() => KafkaCluster.MissingAsync(Root, CancellationToken.None));

    public static async Task RequireAsync()
    {
        var missing = await Missing.Value;
        Assert.SkipWhen(missing is not null, missing ?? "");
    }

    public static async Task<KafkaCluster> StartAsync(ClusterShape shape)
    {
        await RequireAsync();
        return await KafkaCluster.StartAsync(Root, shape, TestContext.Current.CancellationToken);
    }

    private static string FindRoot()
    {
        var folder = new DirectoryInfo(AppContext.BaseDirectory);
        while (!File.Exists(Path.Combine(folder.FullName, "Malha.slnx")))
            folder = folder.Parent ?? throw new DirectoryNotFoundException($"{AppContext.BaseDirectory} is in no checkout of Malha");
        return folder.FullName;
    }
}
