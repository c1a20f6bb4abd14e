namespace Malha.Lab.Kafka;

/// <summary>What is done to the brokers, by signals.</summary>
/// <param name="Name">What it is asked for by.</param>
/// <param name="Text">What happens.</param>
/// <param name="RunAsync">Does it. Brokers that it leaves dead are started when the load has ended.</param>
internal sealed record KafkaFault(string Name, string Text, Func<FaultHands, CancellationToken, Task> RunAsync)
{
    private const int ShortFreezeSeconds = 4;
    private const int LongFreezeSeconds = 12;
    private const int ZombieSeconds = 15;
    private const int PauseSeconds = 6;

    public static KafkaFault Control { get; } = Frozen("C", ShortFreezeSeconds);

    /// <summary>In the order of the table.</summary>
    public static IReadOnlyList<KafkaFault> All { get; } =
    [
        new("A", "SIGTERM to the leader", (hands, cancellation) => hands.SignalAsync("TERM", [hands.Leader], cancellation)),
        new("B", "SIGKILL to the leader", (hands, cancellation) => hands.SignalAsync("KILL", [hands.Leader], cancellation)),
        Control,
        Frozen("C12", LongFreezeSeconds),
        new("D", $"the leader frozen for {ZombieSeconds} s, and back as a zombie", async (hands, cancellation) =>
        {
            await hands.SignalAsync("STOP", [hands.Leader], cancellation);
            await hands.PassAsync(ZombieSeconds, cancellation);
            await hands.SignalAsync("CONT", [hands.Leader], cancellation);
        }),
        new("E", "three hard bounces, back to back", (hands, cancellation) => BounceAsync(hands, 0, cancellation)),
        new("E6", $"three hard bounces, {PauseSeconds} s between them", (hands, cancellation) => BounceAsync(hands, PauseSeconds, cancellation)),
        new("F", "SIGKILL to all three, and started again", async (hands, cancellation) =>
        {
            await hands.SignalAsync("KILL", hands.Brokers, cancellation);
            await hands.StartAsync(hands.Brokers, cancellation);
        }),
    ];

    // Followers that stand still are in the list of those in sync until they have been late for long: all that the leader alone has then goes with it.
    private static KafkaFault Frozen(string name, int seconds) =>
        new(name, $"both followers frozen for {seconds} s, then SIGKILL to the leader{(seconds == ShortFreezeSeconds ? " (the control)" : "")}", async (hands, cancellation) =>
        {
            await hands.SignalAsync("STOP", hands.Followers, cancellation);
            await hands.PassAsync(seconds, cancellation);
            await hands.SignalAsync("KILL", [hands.Leader], cancellation);
            await hands.SignalAsync("CONT", hands.Followers, cancellation);
        });

    private static async Task BounceAsync(FaultHands hands, int pause, CancellationToken cancellation)
    {
        foreach (var broker in hands.Brokers)
        {
            await hands.SignalAsync("KILL", [broker], cancellation);
            await hands.StartAsync([broker], cancellation);
            await hands.PassAsync(pause, cancellation);
        }
    }
}

/// <summary>What a fault may do, and to whom.</summary>
/// <param name="cluster">The brokers' cluster.</param>
/// <param name="leader">The broker that leads all topics of the run.</param>
/// <param name="time">The clock.</param>
internal sealed class FaultHands(KafkaCluster cluster, int leader, TimeProvider time)
{
    public int Leader => leader;

    /// <summary>The leader first.</summary>
    public IReadOnlyList<int> Brokers { get; } = [leader, .. new[] { 1, 2, 3 }.Where(broker => broker != leader)];

    public IEnumerable<int> Followers => Brokers.Skip(1);

    public Task SignalAsync(string signal, IEnumerable<int> brokers, CancellationToken cancellation) => cluster.SignalAsync(signal, brokers, cancellation);

    public Task StartAsync(IEnumerable<int> brokers, CancellationToken cancellation) => cluster.StartAsync(brokers, cancellation);

    public Task PassAsync(int seconds, CancellationToken cancellation) => Task.Delay(TimeSpan.FromSeconds(seconds), time, cancellation);
}
