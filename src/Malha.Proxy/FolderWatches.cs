using Malha.Proxy.Telemetry.Logging;

namespace Malha.Proxy;

/// <summary>Tells when something changes in the folders of some files. The folders and not the files: editors, certbot and Kubernetes put a new file in the old one's place.</summary>
internal sealed class FolderWatches(Action changed, EventLog events) : IDisposable
{
    /// <summary>Each takes one of the system's inotify instances, of which a user may have 128.</summary>
    private const int Most = 64;

    private readonly Lock _lock = new();
    private readonly Dictionary<string, FileSystemWatcher?> _watchers = new(StringComparer.Ordinal);

    /// <summary>From now on it is these files, each with the one that it links to.</summary>
    public void Follow(IEnumerable<string> files)
    {
        var folders = files.SelectMany(FoldersOf).ToHashSet(StringComparer.Ordinal);
        lock (_lock)
        {
            foreach (var (folder, watcher) in _watchers.Where(one => !folders.Contains(one.Key)).ToList())
            {
                watcher?.Dispose();
                _watchers.Remove(folder);
            }
            foreach (var folder in folders.Where(folder => !_watchers.ContainsKey(folder)))
                _watchers.Add(folder, TryWatch(folder));
        }
    }

    public void Dispose()
    {
        lock (_lock)
        {
            foreach (var watcher in _watchers.Values)
                watcher?.Dispose();
            _watchers.Clear();
        }
    }

    private static IEnumerable<string> FoldersOf(string file)
    {
        yield return Path.GetDirectoryName(file)!;
        string? target = null;
        try
        {
            target = File.ResolveLinkTarget(file, returnFinalTarget: true)?.FullName;
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            // Whoever reads it says so.
        }
        if (target is not null)
            yield return Path.GetDirectoryName(target)!;
    }

    // Null when it cannot be watched; that is told once.
    private FileSystemWatcher? TryWatch(string folder)
    {
        FileSystemWatcher? watcher = null;
        var problem = $"more than {Most} folders";
        try
        {
            if (_watchers.Count < Most)
            {
                watcher = new FileSystemWatcher(folder)
                {
                    NotifyFilter = NotifyFilters.FileName | NotifyFilters.DirectoryName | NotifyFilters.LastWrite | NotifyFilters.Size | NotifyFilters.CreationTime,
                };
                watcher.Changed += (_, _) => changed();
                watcher.Created += (_, _) => changed();
                watcher.Renamed += (_, _) => changed();
                watcher.Error += (_, _) => changed();
                watcher.EnableRaisingEvents = true;
                return watcher;
            }
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException or ArgumentException)
        {
            problem = exception.Message;
        }
        watcher?.Dispose();
        events.Warning("folder-not-watched", ("folder", folder), ("problem", problem), ("instead", "SIGHUP reloads"));
        return null;
    }
}
