using System.Security.Cryptography;
using Malha.Delivery.Log;
using Malha.Delivery.Operations;

namespace Malha.Tests.Delivery;

/// <summary>A directory for a log that is gone afterwards; in memory where the system has such a place, since most of these tests are about order and not about disks.</summary>
internal sealed class TemporaryLog : IDisposable
{
    private const string InMemory = "/dev/shm";
    private static readonly RandomNumberGenerator Chance = RandomNumberGenerator.Create();

    public TemporaryLog()
    {
        var root = Directory.Exists(InMemory) ? InMemory : Path.GetTempPath();
        Config = new EmbeddedLogConfig
        {
            Path = Directory.CreateDirectory(Path.Combine(root, $"malha-log-{Guid.NewGuid():n}")).FullName, MemoryBytes = 8 << 20, MinimumFreeBytes = 0, ReserveBytes = 0,
        };
    }

    public EmbeddedLogConfig Config { get; init; }

    public string Store => Path.Combine(Config.Path, LogOpening.StoreDirectory);

    public EmbeddedLog Open(TimeProvider? time = null, Func<long>? free = null)
    {
        var (report, log) = EmbeddedLog.Open(Config, time ?? TimeProvider.System, free);
        Assert.True(log is not null, report.Message);
        return log!;
    }

    public static Operation Post(string target, string lane = "payments", string key = "", AckLevel acks = AckLevel.Leader, Deduplication? deduplication = null)
    {
        var created = DateTimeOffset.UnixEpoch.AddDays(20_000);
        return new Operation
        {
            Id = OperationId.New(created, Chance), Owner = "client:a", Service = lane, Lane = lane, Key = key, Acks = acks, Method = "POST", Target = target, Created = created,
            Due = created, Deduplication = deduplication,
        };
    }

    public void Dispose() => Directory.Delete(Config.Path, recursive: true);
}
