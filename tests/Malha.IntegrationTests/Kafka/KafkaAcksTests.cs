using Malha.Lab.Kafka;

namespace Malha.IntegrationTests.Kafka;

/// <summary>The loss experiment, short: that it finds the loss which is there, and none where none may be.</summary>
public sealed class KafkaAcksTests
{
    private static readonly bool All = Environment.GetEnvironmentVariable("MALHA_TEST_ALL") == "1";

    [Fact]
    public async Task Frozen_followers_lose_what_the_leader_alone_acknowledged_and_nothing_that_all_did()
    {
        await RealKafka.RequireAsync();
        IReadOnlyList<KafkaFault> faults = All ? [KafkaFault.Control, KafkaFault.All.Single(fault => fault.Name == "B")] : [KafkaFault.Control];
        var report = await KafkaAcksExperiment.RunAsync(
            RealKafka.Root, new AckOptions(faults, Rate: 200, AckOptions.FewestSeconds + 3, Seed: 7), TimeProvider.System, _ => { }, TestContext.Current.CancellationToken);
        var experiment = Assert.Single(report.Experiments);
        Assert.True(report.Passed, experiment.Verdict.Reason);
        Assert.Matches(@"^All lost 0 of [\d,]{4,} acknowledged messages; leader lost [1-9][\d,]* in the control\.$", experiment.Verdict.Reason);
        var table = Assert.Single(experiment.Tables);
        Assert.Equal(3 * faults.Count, table.Rows.Count);
        Assert.Equal(faults.Count, experiment.Plots.Count);
    }
}
