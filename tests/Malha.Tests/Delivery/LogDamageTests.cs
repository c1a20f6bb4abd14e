using Malha.Delivery.Log;
using Malha.Delivery.Log.Wal;

namespace Malha.Tests.Delivery;

/// <summary>What a log makes of damage: what was not acknowledged is dropped and told, what was is never quietly missing.</summary>
public sealed class LogDamageTests(PristineLog pristine) : IClassFixture<PristineLog>
{
    private const int Seed = 20_261_126;
    private const int Samples = 12;

    private static readonly bool All = Environment.GetEnvironmentVariable("MALHA_TEST_ALL") == "1";

    [Fact]
    public async Task Cut_anywhere_every_batch_wholly_before_the_cut_is_there()
    {
        foreach (var cut in Places())
        {
            using var copy = pristine.Copy(pristine.FirstSequence, bytes => bytes[..cut]);
            var (report, log) = EmbeddedLog.Open(copy.Config, TimeProvider.System);
            Assert.True(report.Outcome == OpenOutcome.Opened, $"cut at {cut}: {report.Message}");
            await using (log)
                HasExactly(log!, Before(cut), $"cut at {cut}");
            Assert.Equal(!pristine.Batches.Any(batch => batch.End == cut) && cut < pristine.Length, report.Dropped.Count > 0);
        }
    }

    [Fact]
    public async Task Cut_within_what_was_acknowledged_it_refuses_names_the_range_and_recovers_what_is_whole()
    {
        foreach (var cut in Places().Where(cut => cut < pristine.Length))
        {
            using var copy = pristine.Copy(pristine.LastSequence, bytes => bytes[..cut]);
            var whole = Before(cut);
            Refuses(copy, pristine.Batches[whole.Count - 1].Last + 1, $"cut at {cut}");

            var recovery = LogRecovery.Recover(copy.Config);
            Assert.True(recovery.Recovered, $"cut at {cut}: {recovery.Message}");
            Assert.Equal(whole.Count, recovery.Operations);
            await using var log = copy.Open();
            HasExactly(log, whole, $"cut at {cut}");
        }
    }

    [Fact]
    public async Task Flipped_in_the_last_batch_that_nobody_was_told_of_it_is_dropped_and_told()
    {
        var last = pristine.Batches[^1];
        foreach (var place in Places().Where(place => place >= last.Start && place < last.End))
        {
            using var copy = pristine.Copy(last.First - 1, bytes => Flip(bytes, place));
            var (report, log) = EmbeddedLog.Open(copy.Config, TimeProvider.System);
            Assert.True(report.Outcome == OpenOutcome.Opened, $"flipped at {place}: {report.Message}");
            await using (log)
                HasExactly(log!, [.. Enumerable.Range(0, pristine.Operations.Count - 1)], $"flipped at {place}");
            Assert.NotEmpty(report.Dropped);
            Assert.Contains("dropped", report.Message, StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task Flipped_in_what_was_acknowledged_it_refuses_names_the_range_and_recovers_all_but_that_batch()
    {
        foreach (var place in Places().Where(place => place < pristine.Length))
        {
            var hit = pristine.Batches.ToList().FindIndex(batch => place >= batch.Start && place < batch.End);
            // Between a block's last record and its end is nothing.
            if (hit < 0)
                continue;
            using var copy = pristine.Copy(pristine.LastSequence, bytes => Flip(bytes, place));
            Refuses(copy, pristine.Batches[hit].First, $"flipped at {place}");

            var recovery = LogRecovery.Recover(copy.Config);
            Assert.True(recovery.Recovered, $"flipped at {place}: {recovery.Message}");
            await using var log = copy.Open();
            HasExactly(log, [.. Enumerable.Range(0, pristine.Operations.Count).Where(number => number != hit)], $"flipped at {place}");
        }
    }

    [Fact]
    public async Task After_a_power_failure_what_was_only_written_may_be_gone_and_is_told()
    {
        var kept = pristine.Batches[20];
        var other = Guid.NewGuid().ToByteArray();
        using var copy = pristine.Copy(pristine.LastSequence, bytes => bytes[..(int)kept.End], other, synced: kept.Last);
        var (report, log) = EmbeddedLog.Open(copy.Config, TimeProvider.System);
        await using (log)
            HasExactly(log!, [.. Enumerable.Range(0, 21)], report.Message);
        Assert.Equal((kept.Last + 1, pristine.LastSequence), report.LostWritten);

        // Synced means synced: there a power failure is no excuse.
        using var worse = pristine.Copy(pristine.LastSequence, bytes => bytes[..(int)kept.End], other, synced: kept.Last + 1);
        Refuses(worse, kept.Last + 1, "synced");
    }

    [Theory]
    [InlineData("CURRENT")]
    [InlineData("*.log")]
    [InlineData("*")]
    public void A_log_whose_files_are_gone_is_never_opened_as_an_empty_one(string files)
    {
        using var copy = pristine.Copy(pristine.LastSequence, bytes => bytes);
        foreach (var file in Directory.GetFiles(copy.Store, files))
            File.Delete(file);
        var left = Directory.GetFiles(copy.Store).Order().ToList();
        Assert.Equal(OpenOutcome.Damaged, EmbeddedLog.Open(copy.Config, TimeProvider.System).Report.Outcome);
        // A second try finds it as the first one did.
        Assert.Equal(OpenOutcome.Damaged, EmbeddedLog.Open(copy.Config, TimeProvider.System).Report.Outcome);
        Assert.Equal(left, Directory.GetFiles(copy.Store).Where(file => !Path.GetFileName(file).StartsWith("LOG", StringComparison.Ordinal)).Order());
    }

    [Fact]
    public void A_damaged_list_of_tables_is_refused()
    {
        using var copy = pristine.Copy(pristine.LastSequence, bytes => bytes);
        var manifest = Directory.GetFiles(copy.Store, "MANIFEST-*").Single();
        File.WriteAllBytes(manifest, Flip(File.ReadAllBytes(manifest), 40));
        var report = EmbeddedLog.Open(copy.Config, TimeProvider.System).Report;
        Assert.Equal(OpenOutcome.Damaged, report.Outcome);
        Assert.Contains("MANIFEST", report.Message, StringComparison.Ordinal);
        Assert.False(LogRecovery.Recover(copy.Config).Recovered);
    }

    [Fact]
    public async Task A_log_without_its_marker_is_refused_and_recovered_whole()
    {
        using var copy = pristine.Copy(pristine.LastSequence, bytes => bytes);
        File.Delete(Path.Combine(copy.Config.Path, AckMarker.FileName));
        Assert.Equal(OpenOutcome.Damaged, EmbeddedLog.Open(copy.Config, TimeProvider.System).Report.Outcome);
        Assert.True(LogRecovery.Recover(copy.Config).Recovered);
        await using var log = copy.Open();
        HasExactly(log, [.. Enumerable.Range(0, pristine.Operations.Count)], "recovered");
    }

    [Fact]
    public async Task What_is_accepted_after_a_dropped_end_is_there_the_next_time()
    {
        var last = pristine.Batches[^1];
        using var copy = pristine.Copy(last.First - 1, bytes => bytes[..((int)last.Start + 20)]);
        var added = TemporaryLog.Post("/added", key: "added");
        await using (var log = copy.Open())
            Assert.Equal(LogOutcome.Done, (await log.AcceptAsync(added, new byte[10], TestContext.Current.CancellationToken)).Outcome);
        await using var again = copy.Open();
        Assert.Equal("", again.LastReport.Message);
        Assert.Equal("/added", again.Find(added.Id).Value!.Target);
        Assert.Equal(pristine.Operations.Count, again.Lane("payments", 0, 1000).Value!.Count);
    }

    [Fact]
    public void A_record_that_a_client_wrote_into_its_body_is_no_batch()
    {
        // A body that is a whole log of its own, in a log whose record in front of it is damaged.
        using var copy = pristine.Copy(0, bytes => bytes);
        var inner = File.ReadAllBytes(PristineLog.LogFile(copy))[..2000];
        var outer = new byte[7 + inner.Length];
        inner.CopyTo(outer, 7);
        outer[4] = 0xff;
        outer[5] = 0x7f;
        Assert.Empty(WalFile.Read(outer, 1).Batches);
    }

    private static byte[] Flip(byte[] bytes, int place)
    {
        bytes[place] ^= (byte)(1 << (place % 8));
        return bytes;
    }

    // The last 4,096 bytes: all of them, or the batches' ends with their neighbours and some others.
    private IEnumerable<int> Places()
    {
        var from = pristine.Length - PristineLog.Tail;
        if (All)
            return Enumerable.Range(from, PristineLog.Tail + 1);
        var chance = new Random(Seed);
        return pristine.Batches.SelectMany(batch => new[] { (int)batch.End - 1, (int)batch.End, (int)batch.End + 1, (int)batch.End + 4, (int)batch.End + 6 })
            .Concat(Enumerable.Range(0, Samples).Select(_ => chance.Next(from, pristine.Length)))
            .Where(place => place >= from && place <= pristine.Length).Distinct().Order();
    }

    private List<int> Before(int cut) => [.. Enumerable.Range(0, pristine.Batches.Count).Where(number => pristine.Batches[number].End <= cut)];

    private void HasExactly(EmbeddedLog log, List<int> numbers, string when)
    {
        var expected = numbers.Select(number => pristine.Operations[number]).ToList();
        var lane = log.Lane("payments", 0, 1000).Value!.Select(entry => log.Find(entry.Id).Value!).ToList();
        Assert.True(expected.Select(operation => operation.Target).SequenceEqual(lane.Select(operation => operation.Target)), when);
        Assert.All(lane, operation => Assert.Equal(operation.BodyBytes, log.Body(operation.Id).Value!.Length));
        foreach (var gone in pristine.Operations.Except(expected, Comparer))
            Assert.Equal(ReadOutcome.NotFound, log.Find(gone.Id).Outcome);
    }

    private void Refuses(TemporaryLog copy, ulong first, string when)
    {
        var report = EmbeddedLog.Open(copy.Config, TimeProvider.System).Report;
        Assert.True(report.Outcome == OpenOutcome.Damaged, $"{when}: {report.Outcome} {report.Message}");
        Assert.Contains($"sequences {first} to ", report.Message, StringComparison.Ordinal);
    }

    private static readonly EqualityComparer<Malha.Delivery.Operations.Operation> Comparer =
        EqualityComparer<Malha.Delivery.Operations.Operation>.Create((one, other) => one!.Id == other!.Id, operation => operation.Id.GetHashCode());
}
