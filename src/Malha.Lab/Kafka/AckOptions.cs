namespace Malha.Lab.Kafka;

/// <summary>What is run: which faults, how much of a load, for how long.</summary>
/// <param name="Faults">In their order.</param>
/// <param name="Rate">Messages a second at each level.</param>
/// <param name="Seconds">Of load for each fault, which comes after a third of it.</param>
/// <param name="Seed">Which broker leads, and what the messages hold.</param>
internal sealed record AckOptions(IReadOnlyList<KafkaFault> Faults, int Rate, int Seconds, ulong Seed)
{
    public const int DefaultRate = 2_000;
    public const int DefaultSeconds = 45;

    public const int MostRate = 20_000;
    public const int MostSeconds = 600;

    /// <summary>An election takes up to 12 s, and needs some load before and after it.</summary>
    public const int FewestSeconds = 6;
}
