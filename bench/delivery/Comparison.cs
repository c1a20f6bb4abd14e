using System.Diagnostics;
using System.Globalization;
using Malha.Delivery.Log;
using Malha.Delivery.Operations;
using RocksDbSharp;

namespace Malha.Bench.Delivery;

/// <summary>
/// Accepting through the log beside RocksDB alone. The bare loop writes as many records of the same body in one batch as our syncs carried on average, with sync=true,
/// and does nothing else: one thread, one family, no order, no deduplication, no caller.
/// </summary>
internal static class Comparison
{
    private const int Callers = 64;
    private const int BodyBytes = 1024;

    public static async Task<int> RunAsync(string[] words)
    {
        var arguments = new Arguments(words);
        var length = TimeSpan.FromSeconds(arguments.Number("seconds", 5));
        var root = Path.Combine(arguments.Text("path", Path.GetTempPath()), $"delivery-bench-{Environment.ProcessId}");
        try
        {
            var rounds = (int)arguments.Number("rounds", 3);
            var ratios = new List<double>();
            for (var round = 1; round <= rounds; round++)
            {
                var (all, perSync) = await AcceptAsync(Path.Combine(root, $"all-{round}"), AckLevel.All, Callers, length);
                var bare = Bare(Path.Combine(root, $"bare-{round}"), Math.Max(1, (int)Math.Round(perSync)), length);
                ratios.Add(all / bare);
                Say($"all, {Callers} callers: {all,9:n0}/s, {perSync:n1} a sync; bare RocksDB, as many a batch, synced: {bare,9:n0}/s; ratio {all / bare:n2}");
            }
            var (leader, _) = await AcceptAsync(Path.Combine(root, "leader"), AckLevel.Leader, Callers, length);
            var (one, _) = await AcceptAsync(Path.Combine(root, "one"), AckLevel.All, 1, length);
            Say($"leader, {Callers} callers: {leader,9:n0}/s; all, one caller: {one:n0}/s");
            Say($"median ratio {ratios.Order().ElementAt(rounds / 2):n2}");
            return 0;
        }
        finally
        {
            if (Directory.Exists(root))
                Directory.Delete(root, recursive: true);
        }
    }

    private static async Task<(double PerSecond, double PerSync)> AcceptAsync(string path, AckLevel acks, int callers, TimeSpan length)
    {
        var (report, log) = EmbeddedLog.Open(new EmbeddedLogConfig { Path = path }, TimeProvider.System);
        if (log is null)
            throw new InvalidOperationException(report.Message);
        await using (log)
        {
            var body = new byte[BodyBytes];
            var watch = Stopwatch.StartNew();
            var counts = await Task.WhenAll(Enumerable.Range(0, callers).Select(caller => Task.Run(async () =>
            {
                var done = 0L;
                for (; watch.Elapsed < length; done++)
                {
                    var result = await log.AcceptAsync(Requests.Post("payments", $"key-{caller}", "/pay", acks), body);
                    if (result.Outcome != LogOutcome.Done)
                        throw new InvalidOperationException($"{result}: {log.Failure ?? log.LastReport.Message}");
                }
                return done;
            })));
            var total = counts.Sum();
            return (total / watch.Elapsed.TotalSeconds, (double)total / Math.Max(1, log.Measures.Syncs));
        }
    }

    private static double Bare(string path, int batchSize, TimeSpan length)
    {
        using var database = RocksDb.Open(new DbOptions().SetCreateIfMissing(), path);
        var options = new WriteOptions().SetSync(true);
        var body = new byte[BodyBytes];
        var key = new byte[16];
        using var batch = new WriteBatch();
        var watch = Stopwatch.StartNew();
        var done = 0L;
        while (watch.Elapsed < length)
        {
            batch.Clear();
            for (var index = 0; index < batchSize; index++)
            {
                BitConverter.TryWriteBytes(key, done++);
                batch.Put(key, body);
            }
            database.Write(batch, options);
        }
        return done / watch.Elapsed.TotalSeconds;
    }

    private static void Say(string line) => Console.WriteLine(line.ToString(CultureInfo.InvariantCulture));
}
