using Malha.IntegrationTests.Harness;
using Malha.IntegrationTests.Traffic.Support;

namespace Malha.IntegrationTests.Health;

/// <summary>Debian's PostgreSQL and Redis, each on a free port with its data in a folder of its own.</summary>
internal sealed class RealStore : IAsyncDisposable
{
    private readonly DirectoryInfo _folder;
    private readonly string[]? _stop;
    private readonly ChildProcess _child;
    private bool _stopped;

    private RealStore(ChildProcess child, DirectoryInfo folder, int port, string[]? stop)
    {
        _child = child;
        _folder = folder;
        Port = port;
        _stop = stop;
    }

    public int Port { get; }

    /// <summary>Null when the machine has none. The password is asked of everybody.</summary>
    public static async Task<RealStore?> StartRedisAsync(string password, int port = 0)
    {
        const string Program = "/usr/bin/redis-server";
        if (!File.Exists(Program))
            return null;
        port = port == 0 ? FreePort.Next() : port;
        var folder = Directory.CreateTempSubdirectory("malha-redis-");
        string[] arguments = ["--port", $"{port}", "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", folder.FullName, "--requirepass", password];
        var child = ChildProcess.Start(Program, arguments, new Dictionary<string, string>(), line => line.Contains("eady to accept connections", StringComparison.Ordinal));
        await child.ReadyAsync(Peer.Patience);
        return new RealStore(child, folder, port, stop: null);
    }

    /// <summary>Null when the machine has none. The user is <c>malha</c>, who must give the password.</summary>
    public static async Task<RealStore?> StartPostgresAsync(string password)
    {
        var programs = Directory.Exists("/usr/lib/postgresql")
            ? Directory.GetDirectories("/usr/lib/postgresql").Select(version => Path.Combine(version, "bin")).FirstOrDefault(bin => File.Exists(Path.Combine(bin, "initdb"))) : null;
        if (programs is null)
            return null;
        var port = FreePort.Next();
        var folder = Directory.CreateTempSubdirectory("malha-postgres-");
        var data = Path.Combine(folder.FullName, "data");
        var secret = Path.Combine(folder.FullName, "password");
        await File.WriteAllTextAsync(secret, password);
        // PostgreSQL refuses to run as root.
        if (Environment.IsPrivilegedProcess)
            await RunAsync(["/usr/bin/chown", "-R", "postgres", folder.FullName]);
        await RunAsync(AsServer([Path.Combine(programs, "initdb"), "-D", data, "-U", "malha", "-A", "scram-sha-256", "--pwfile", secret, "-N", "--no-locale"]));
        string[] command = AsServer([Path.Combine(programs, "postgres"), "-D", data, "-p", $"{port}", "-k", folder.FullName, "-c", "listen_addresses=127.0.0.1", "-c", "fsync=off"]);
        var child = ChildProcess.Start(command[0], command[1..], new Dictionary<string, string>(),
            line => line.Contains("database system is ready to accept connections", StringComparison.Ordinal));
        await child.ReadyAsync(Peer.Patience);
        return new RealStore(child, folder, port, AsServer([Path.Combine(programs, "pg_ctl"), "-D", data, "stop", "-m", "immediate"]));
    }

    /// <summary>Ends the server; its port is free again.</summary>
    public async Task StopAsync()
    {
        if (_stopped)
            return;
        _stopped = true;
        if (_stop is not null && _child.IsRunning)
            await RunAsync(_stop);
        await _child.DisposeAsync();
    }

    public async ValueTask DisposeAsync()
    {
        await StopAsync();
        _folder.Delete(recursive: true);
    }

    private static string[] AsServer(string[] command) => Environment.IsPrivilegedProcess ? ["/usr/sbin/runuser", "-u", "postgres", "--", .. command] : command;

    private static async Task RunAsync(string[] command)
    {
        await using var child = ChildProcess.Start(command[0], command[1..], new Dictionary<string, string>(), _ => false);
        var code = await child.ExitedAsync(Peer.Patience);
        Assert.True(code == 0, $"{string.Join(' ', command)}: {code}\n{child.Output}");
    }
}
