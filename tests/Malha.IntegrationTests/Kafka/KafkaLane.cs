using Malha.Delivery.Kafka;
using Malha.IntegrationTests.Lanes.Support;
using Malha.IntegrationTests.Traffic.Support;

namespace Malha.IntegrationTests.Kafka;

/// <summary>Gateways whose lane is on a real Kafka, for one service that no other test has.</summary>
internal sealed class KafkaLane : IDisposable
{
    private readonly List<LaneFolder> _folders = [];
    private readonly string _bootstrap;
    private readonly int _copies;

    public KafkaLane(string bootstrap, LedgerServer server, int copies = 1) => (_bootstrap, Server, _copies) = (bootstrap, server, copies);

    public LedgerServer Server { get; }

    /// <summary>The service, and so the lane.</summary>
    public string Service { get; } = $"pay-{Guid.NewGuid():n}";

    public static KafkaStore Store(LaneGateway gateway) => (KafkaStore)gateway.Lane.Store;

    public LaneFolder Folder()
    {
        var folder = new LaneFolder();
        _folders.Add(folder);
        return folder;
    }

    public LaneGateway Start(LaneFolder folder, string defer = "when: unavailable, acks: all", string service = "") => LaneGateway.Start($$"""
        listeners: { edge: { address: "127.0.0.1:0" } }
        delivery:
          engine: kafka
          path: "{{folder.Path}}"
          minFree: 1MiB
          backoff: 50ms..500ms
          kafka: { bootstrap: "{{_bootstrap}}", replication: {{_copies}}, minInsync: {{Math.Max(1, _copies - 1)}} }
        services:
          {{Service}}: { endpoints: [ "{{Server.Url}}" ]{{(service.Length > 0 ? ", " + service : "")}} }
        routes:
          - { service: {{Service}}, defer: { {{defer}} } }
        """);

    /// <summary>Starts one and waits until it delivers all parts of the lane.</summary>
    public async Task<LaneGateway> StartAloneAsync(LaneFolder folder, string defer = "when: unavailable, acks: all", string service = "")
    {
        var gateway = Start(folder, defer, service);
        // The lane's topic is made by the first that is accepted.
        await gateway.AcceptedAsync("/first");
        await OwnsAsync(gateway, KafkaNames.Partitions);
        return gateway;
    }

    /// <summary>How many parts of the lane a gateway delivers.</summary>
    public int Owned(LaneGateway gateway) => Store(gateway).Owned(Service);

    public Task OwnsAsync(LaneGateway gateway, int least) =>
        Eventually.HoldsAsync(() => Owned(gateway) >= least, $"the gateway delivers {least} parts (it has {Owned(gateway)}; {Store(gateway).Problem})");

    public void Dispose()
    {
        foreach (var folder in _folders)
            folder.Dispose();
    }
}
