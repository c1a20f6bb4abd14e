using System.Globalization;

namespace Malha.Delivery.Log.Wal;

/// <summary>All write-ahead logs of a store, read in order, and the first thing that is wrong with them.</summary>
internal sealed class WalScan
{
    private WalScan(IReadOnlyList<WalBatch> batches, IReadOnlyList<WalDamage> damages)
    {
        Batches = batches;
        Damages = damages;
    }

    /// <summary>Every whole batch, those behind damage too.</summary>
    public IReadOnlyList<WalBatch> Batches { get; }

    public IReadOnlyList<WalDamage> Damages { get; }

    /// <summary>The last sequence of the whole batches before the first damage; null: there is none before it.</summary>
    public ulong? LastWhole => Damages is [var first, ..]
        ? Batches.LastOrDefault(batch => IsBefore(batch, first))?.Last
        : Batches is [.., var last] ? last.Last : null;

    public static WalScan Read(string directory, bool withContent = false)
    {
        var batches = new List<WalBatch>();
        var damages = new List<WalDamage>();
        foreach (var (path, number) in Files(directory))
        {
            var contents = WalFile.Read(File.ReadAllBytes(path), number, withContent);
            damages.AddRange(contents.Damages);
            foreach (var batch in contents.Batches)
            {
                // A file that somebody removed leaves no bad bytes, only numbers that are missing.
                if (batches.Count > 0 && batch.First != batches[^1].Last + 1 && !damages.Any(damage => IsBefore(batches[^1], damage)))
                    damages.Add(new WalDamage(batch.File, batch.Start, batch.Start, $"sequences {batches[^1].Last + 1} to {batch.First - 1} are missing"));
                batches.Add(batch);
            }
        }
        return new WalScan(batches, [.. damages.OrderBy(damage => damage.File).ThenBy(damage => damage.Start)]);
    }

    /// <summary>The logs, oldest first.</summary>
    public static IEnumerable<(string Path, ulong Number)> Files(string directory) =>
        from path in Directory.GetFiles(directory, "*.log")
        let name = System.IO.Path.GetFileNameWithoutExtension(path)
        where ulong.TryParse(name, NumberStyles.None, CultureInfo.InvariantCulture, out _)
        let number = ulong.Parse(name, CultureInfo.InvariantCulture)
        orderby number
        select (path, number);

    /// <summary>Leaves what is before the damage, and nothing that RocksDB could take for the end or the middle of something.</summary>
    public static void CutAt(string directory, WalDamage damage)
    {
        foreach (var (path, number) in Files(directory).ToList())
        {
            if (number > damage.File)
                File.Delete(path);
            if (number != damage.File)
                continue;
            using var file = new FileStream(path, FileMode.Open, FileAccess.Write);
            file.SetLength(damage.Start);
            file.Flush(flushToDisk: true);
        }
    }

    private static bool IsBefore(WalBatch batch, WalDamage damage) =>
        batch.File < damage.File || (batch.File == damage.File && batch.End <= damage.Start);
}
