using Malha.Lab.Kafka;

namespace Malha.IntegrationTests.Kafka;

/// <summary>One node for all tests of the engine: they tell their services apart, and so their lanes.</summary>
public sealed class OneKafka : IAsyncLifetime
{
    private KafkaCluster? _cluster;
    private string? _missing;

    internal KafkaCluster Cluster
    {
        get
        {
            Assert.SkipWhen(_missing is not null, _missing ?? "");
            return _cluster!;
        }
    }

    public async ValueTask InitializeAsync()
    {
        _missing = await KafkaCluster.MissingAsync(RealKafka.Root, CancellationToken.None);
        if (_missing is null)
            _cluster = await KafkaCluster.StartAsync(RealKafka.Root, ClusterShape.Combined, CancellationToken.None);
    }

    public async ValueTask DisposeAsync()
    {
        if (_cluster is not null)
            await _cluster.DisposeAsync();
    }
}
