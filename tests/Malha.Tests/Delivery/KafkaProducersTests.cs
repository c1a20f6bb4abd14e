using System.Net;
using System.Net.Sockets;
using Confluent.Kafka;
using Malha.Configuration;
using Malha.Delivery.Kafka;
using Malha.Delivery.Operations;

namespace Malha.Tests.Delivery;

/// <summary>What is sent to a Kafka that is not there; no broker is needed for that.</summary>
public sealed class KafkaProducersTests
{
    private static readonly TopicPartition Somewhere = new("malha.lane.payments", 0);
    private static readonly TimeSpan Long = TimeSpan.FromSeconds(60);

    [Theory]
    [InlineData(nameof(AckLevel.None))]
    [InlineData(nameof(AckLevel.Leader))]
    [InlineData(nameof(AckLevel.All))]
    public async Task What_a_producer_has_not_reported_on_when_it_ends_has_failed_and_nobody_waits_for_it_for_ever(string level)
    {
        var acks = Enum.Parse<AckLevel>(level);
        using var nobody = new Nobody();
        var producers = new KafkaProducers(new KafkaClients(nobody.Config, _ => { }));
        var sent = producers.SendAsync(acks, Somewhere, [1], [2]);
        Assert.False(sent.IsCompleted);
        await Task.Run(producers.Dispose, TestContext.Current.CancellationToken);
        Assert.Equal(Sent.Failed, await sent.WaitAsync(Long, TestContext.Current.CancellationToken));
        Assert.Equal(Sent.Failed, await producers.SendAsync(acks, Somewhere, [1], [2]));
    }

    [Fact]
    public async Task Settings_that_librdkafka_does_not_take_are_a_failure_and_no_exception_on_the_way_of_a_request()
    {
        using var nobody = new Nobody();
        using var producers = new KafkaProducers(new KafkaClients(nobody.WithAuthority(nobody.NoCertificate), _ => { }));
        Assert.Equal(Sent.Failed, await producers.SendAsync(AckLevel.All, Somewhere, [1], [2]));
    }

    [Fact]
    public void A_lane_whose_authority_cannot_be_read_does_not_open_and_says_why()
    {
        using var nobody = new Nobody();
        using var folder = new TemporaryLog();
        var config = new DeliveryConfig { Kafka = nobody.WithAuthority(nobody.NoCertificate) };
        var (problem, store) = KafkaStore.Open(config, folder.Config, _ => true, TimeProvider.System);
        Assert.Null(store);
        Assert.StartsWith("delivery.kafka: ", problem, StringComparison.Ordinal);
        Assert.Contains("ssl.ca.location", problem, StringComparison.Ordinal);
        // What it had opened is closed: it opens again.
        var (again, opened) = KafkaStore.Open(config, folder.Config, _ => true, TimeProvider.System);
        Assert.Equal((problem, null), (again, opened));
    }

    /// <summary>A port where nobody listens, as it is bound and not listened on; and a file that is no certificate.</summary>
    private sealed class Nobody : IDisposable
    {
        private readonly Socket _socket = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);

        public Nobody()
        {
            _socket.Bind(new IPEndPoint(IPAddress.Loopback, 0));
            File.WriteAllText(NoCertificate, "no certificate");
        }

        public string NoCertificate { get; } = Path.GetTempFileName();

        public KafkaConfig Config => new() { Bootstrap = [$"{_socket.LocalEndPoint}"] };

        public KafkaConfig WithAuthority(string path) => Config with { Tls = new KafkaTlsConfig { Ca = new ConfigFile(path, "") } };

        public void Dispose()
        {
            _socket.Dispose();
            File.Delete(NoCertificate);
        }
    }
}
