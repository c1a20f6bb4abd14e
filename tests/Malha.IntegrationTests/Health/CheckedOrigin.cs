using Malha.IntegrationTests.Harness;
using Malha.IntegrationTests.Traffic.Support;

namespace Malha.IntegrationTests.Health;

/// <summary>A server with a check at <c>/health</c> that a test can turn, and a count of what it was asked.</summary>
internal sealed class CheckedOrigin : IAsyncDisposable
{
    private readonly ScriptedOrigin _origin;
    private readonly TaskCompletionSource _end = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private string? _health;
    private int _checks;
    private int _requests;
    private int _concurrent;

    public CheckedOrigin(string? health = null)
    {
        _health = health ?? Good;
        _origin = ScriptedOrigin.Start(ServeAsync);
    }

    /// <summary>The answers of checks that pass and that do not.</summary>
    public static string Good => ScriptedOrigin.Answer("{}");

    public static string Bad => ScriptedOrigin.Answer("no", status: 503);

    /// <summary>As ASP.NET Core's health checks write it: one entry, and the status of the whole.</summary>
    public static string Report(string status, string entry, string entryStatus, int code) =>
        ScriptedOrigin.Answer($$$"""{"status":"{{{status}}}","entries":{"self":{"status":"Healthy","tags":["self"]},"{{{entry}}}":{"status":"{{{entryStatus}}}"} } }""", status: code);

    public string Url => _origin.Url;

    public int Port => _origin.Port;

    /// <summary>The answer of the check; null: it hangs.</summary>
    public string? Health
    {
        set => Volatile.Write(ref _health, value);
    }

    /// <summary>The answer to everything else.</summary>
    public int Status { get; set; } = 200;

    public int Checks => Volatile.Read(ref _checks);

    /// <summary>The most checks that were under way at a time.</summary>
    public int MostChecks { get; private set; }

    public int Requests => Volatile.Read(ref _requests);

    public WireRequest? LastCheck { get; private set; }

    public Task CheckedAsync(int more)
    {
        var from = Checks;
        return Eventually.HoldsAsync(() => Checks >= from + more, $"{more} more checks");
    }

    public async ValueTask DisposeAsync()
    {
        _end.TrySetResult();
        await _origin.DisposeAsync();
    }

    private async Task ServeAsync(Peer peer)
    {
        while (await peer.ReadRequestAsync() is { } request)
        {
            if (!request.Target.StartsWith("/health", StringComparison.Ordinal))
            {
                Interlocked.Increment(ref _requests);
                await peer.SendAsync(ScriptedOrigin.Answer("served", status: Status));
                continue;
            }

            MostChecks = Math.Max(MostChecks, Interlocked.Increment(ref _concurrent));
            LastCheck = request;
            Interlocked.Increment(ref _checks);
            if (Volatile.Read(ref _health) is { } answer)
                await peer.SendAsync(answer);
            else
                await _end.Task;
            Interlocked.Decrement(ref _concurrent);
        }
    }
}
