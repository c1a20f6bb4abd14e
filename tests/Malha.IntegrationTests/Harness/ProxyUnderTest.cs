namespace Malha.IntegrationTests.Harness;

/// <summary>
/// The proxy that the hostile tests judge: Malha, or, to see that the tests find what is known about others,
/// MALHA_TEST_PROXY=nginx or =haproxy (their known faults then fail).
/// </summary>
internal abstract class ProxyUnderTest : IAsyncDisposable
{
    public abstract string Name { get; }

    public abstract int Port { get; }

    /// <summary>What it printed, for failure messages.</summary>
    public abstract string Output { get; }

    public abstract bool IsRunning { get; }

    public static async Task<ProxyUnderTest> StartAsync(Uri upstream) => Environment.GetEnvironmentVariable("MALHA_TEST_PROXY") switch
    {
        null or "" or "malha" => await MalhaProcess.StartAsync(upstream),
        "nginx" => await PeerProcess.StartNginxAsync(upstream),
        "haproxy" => await PeerProcess.StartHaproxyAsync(upstream),
        var other => throw new InvalidOperationException($"MALHA_TEST_PROXY: {other} is none of malha, nginx, haproxy"),
    };

    public abstract ValueTask DisposeAsync();
}
