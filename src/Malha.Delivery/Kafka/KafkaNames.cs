using System.Globalization;
using System.Text;
using Malha.Delivery.Operations;

namespace Malha.Delivery.Kafka;

/// <summary>Names of topics, and which partition an operation belongs to. They are on disk and in Kafka: they do not change.</summary>
internal static class KafkaNames
{
    /// <summary>What became of operations, compacted: id → state and answer.</summary>
    public const string Operations = "malha.ops";

    /// <summary>Gateways that share the work.</summary>
    public const string Group = "malha";

    /// <summary>For life: another number would put the operations of a key on two partitions.</summary>
    public const int Partitions = 12;

    /// <summary>Kafka's own bound for a topic's name.</summary>
    private const int NameLength = 249;

    private const string LanePrefix = "malha.lane.";
    private const char Slash = '/';

    public static string Topic(string lane) => LanePrefix + lane;

    /// <summary>Null: no lane's topic.</summary>
    public static string? LaneOf(string topic) => topic.StartsWith(LanePrefix, StringComparison.Ordinal) && topic.Length > LanePrefix.Length ? topic[LanePrefix.Length..] : null;

    /// <summary>Whether a topic can have that name: what Kafka allows are letters, digits, dot, dash and underscore.</summary>
    public static bool IsLane(string lane) => lane.Length > 0 && LanePrefix.Length + lane.Length <= NameLength && lane.All(letter => char.IsAsciiLetterOrDigit(letter) || letter is '.' or '-' or '_');

    /// <summary>Operations of one key are on one partition; those without one are spread.</summary>
    public static int PartitionOf(Operation operation) => Murmur2.Partition(KeyOf(operation), Partitions);

    public static int PartitionOf(OperationId id) => Murmur2.Partition(id.ToArray(), Partitions);

    public static int PartitionOf(string key) => Murmur2.Partition(Encoding.UTF8.GetBytes(key), Partitions);

    public static byte[] KeyOf(Operation operation) => operation.Key.Length > 0 ? Encoding.UTF8.GetBytes(operation.Key) : operation.Id.ToArray();

    /// <summary>
    /// A partition of a lane is a lane of its own in a gateway's store, so that what is due in the partitions that it has is found without passing over all the others.
    /// </summary>
    public static string Part(string lane, int partition) => string.Create(CultureInfo.InvariantCulture, $"{lane}{Slash}{partition:00}");

    public static IEnumerable<string> Parts(string lane) => Enumerable.Range(0, Partitions).Select(partition => Part(lane, partition));

    public static string WholeOf(string part) => part.LastIndexOf(Slash) is var slash and > 0 ? part[..slash] : part;
}
