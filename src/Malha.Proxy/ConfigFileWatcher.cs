using Malha.Configuration;

namespace Malha.Proxy;

/// <summary>
/// Keeps a gateway at what its file says: reads it again when it, or a file that it points to, may have changed, and on demand. A file
/// that is not good changes nothing and is reported.
/// </summary>
internal sealed class ConfigFileWatcher : IDisposable
{
    /// <summary>An editor writes a file in several steps; the last one is waited for.</summary>
    private static readonly TimeSpan Settling = TimeSpan.FromMilliseconds(100);

    private readonly string _path;
    private readonly GatewayHost _host;
    private readonly TimeProvider _time;
    private readonly FolderWatches _folders;
    private readonly ITimer _settled;
    private readonly SemaphoreSlim _reading = new(1, 1);
    private MalhaConfig _current;

    public ConfigFileWatcher(string path, MalhaConfig current, GatewayHost host, TimeProvider time)
    {
        _path = Path.GetFullPath(path);
        _current = current;
        _host = host;
        _time = time;
        _settled = time.CreateTimer(_ => _ = ReloadIfChangedAsync(), null, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
        _folders = new FolderWatches(Settle, host.Telemetry.Events);
        Watch();
    }

    /// <summary>Reads the file now and brings it into force, changed or not.</summary>
    public Task<ReloadStatus?> ReloadAsync() => ReadAsync(onlyIfChanged: false);

    public void Dispose()
    {
        _folders.Dispose();
        _settled.Dispose();
        _reading.Dispose();
    }

    // What changed after it was read and before it was watched would never be noticed: it is looked at once more.
    private void Watch()
    {
        _folders.Follow([_path, .. _current.Files().Select(file => file.Path)]);
        Settle();
    }

    private void Settle() => _settled.Change(Settling, Timeout.InfiniteTimeSpan);

    private Task<ReloadStatus?> ReloadIfChangedAsync() => ReadAsync(onlyIfChanged: true);

    private async Task<ReloadStatus?> ReadAsync(bool onlyIfChanged)
    {
        await _reading.WaitAsync();
        try
        {
            var result = MalhaConfigReader.ReadFile(_path);
            if (result.Config is { } config)
            {
                // Any file of the folder wakes us; most have nothing to do with us.
                if (onlyIfChanged && config == _current && _host.LastReload is null or { IsGood: true })
                    return null;
                var problem = await _host.ReloadAsync(config);
                if (problem is null)
                {
                    _current = config;
                    Watch();
                }
                return Report(problem is null ? [] : [problem]);
            }

            string[] problems = [.. result.Errors.Select(error => error.ToString())];
            // The same bad file is told once.
            return onlyIfChanged && _host.LastReload is { } last && last.Problems.SequenceEqual(problems) ? null : Report(problems);
        }
        finally
        {
            _reading.Release();
        }
    }

    private ReloadStatus Report(IReadOnlyList<string> problems)
    {
        var status = new ReloadStatus(_time.GetUtcNow(), _host.Plane.Model.Version, problems);
        _host.Reloaded(status);
        return status;
    }
}
