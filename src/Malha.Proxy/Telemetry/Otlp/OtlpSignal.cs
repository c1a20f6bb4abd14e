using System.Buffers.Binary;
using Malha.Configuration;
using Malha.Resilience;

namespace Malha.Proxy.Telemetry.Otlp;

/// <summary>What has become of a signal's items since the start of the gateway; it outlives reloads.</summary>
internal sealed class SignalCounts
{
    private long _sent;
    private long _dropped;

    /// <summary>Items that a collector has taken.</summary>
    public long Sent => Interlocked.Read(ref _sent);

    /// <summary>Items that no collector would take, or none could be reached for.</summary>
    public long Dropped => Interlocked.Read(ref _dropped);

    public void CountSent(long items) => Interlocked.Add(ref _sent, items);

    public void CountDropped(long items) => Interlocked.Add(ref _dropped, items);
}

/// <summary>
/// One signal on its way to a collector: sends messages one after the other, tries again a few times where that may help, and gives up then. Says once when
/// exports begin to fail and once when they work again.
/// </summary>
internal sealed class OtlpSignal(TelemetryConfig config, string name, SignalCounts counts, GatewayRuntime runtime, TimeProvider time) : IDisposable
{
    /// <summary>With back-offs of 1, 2 and 4 s: a collector that restarts is waited for, one that is gone is not.</summary>
    private const int Tries = 4;

    private static readonly TimeSpan FirstDelay = TimeSpan.FromSeconds(1);

    /// <summary>A collector that asks for more has lost the batch.</summary>
    private static readonly TimeSpan LongestDelay = TimeSpan.FromSeconds(30);

    private readonly OtlpClient _client = new(config, name, time);
    private readonly Chance _chance = runtime.Chance.Fork();
    private long _lost;
    private bool _isFailing;

    /// <summary>Where messages are written, each after <see cref="OtlpClient.Prefix"/> bytes.</summary>
    public ProtobufWriter Message { get; } = new();

    public void BeginMessage()
    {
        Message.Clear();
        Message.Reserve(OtlpClient.Prefix);
    }

    /// <summary>Sends the message.</summary>
    /// <param name="items">What it holds, for the counts.</param>
    /// <param name="mayRetry">Whether it is worth another try; otherwise the next message says the same and more.</param>
    /// <param name="stopping">No more waiting once it is cancelled.</param>
    /// <param name="cancellation">Breaks it off.</param>
    public async Task SendAsync(long items, bool mayRetry, CancellationToken stopping, CancellationToken cancellation)
    {
        var prefix = Message.From(0)[..OtlpClient.Prefix];
        prefix[0] = 0;
        BinaryPrimitives.WriteUInt32BigEndian(prefix[1..], (uint)(Message.Length - OtlpClient.Prefix));
        for (var attempt = 1; ; attempt++)
        {
            var result = await _client.SendAsync(Message.Written, cancellation);
            if (result.Problem is null)
            {
                Succeeded(items, Math.Min(items, result.Rejected));
                return;
            }
            Failing(result.Problem);
            if (!result.MayRetry || !mayRetry || attempt == Tries || stopping.IsCancellationRequested
                || !await WaitAsync(DelayOf(attempt, result.RetryAfter), stopping))
                break;
        }
        _lost += items;
        counts.CountDropped(items);
    }

    public void Dispose() => _client.Dispose();

    // Half of it by chance, so that gateways do not come back together.
    private TimeSpan DelayOf(int attempt, TimeSpan? asked)
    {
        var delay = FirstDelay * Math.Pow(2, attempt - 1);
        delay = (delay / 2) + (delay / 2 * _chance.NextDouble());
        return asked > delay ? (asked < LongestDelay ? asked.Value : LongestDelay) : delay;
    }

    private async Task<bool> WaitAsync(TimeSpan delay, CancellationToken stopping)
    {
        await Task.Delay(delay, time, stopping).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        return !stopping.IsCancellationRequested;
    }

    private void Succeeded(long items, long rejected)
    {
        counts.CountSent(items - rejected);
        counts.CountDropped(rejected);
        if (rejected > 0)
            Failing($"the collector rejected {rejected} of {items}");
        else if (_isFailing)
        {
            _isFailing = false;
            runtime.Telemetry.Events.Info("telemetry-restored", ("signal", name), ("endpoint", config.Endpoint.ToString()), ("lost", _lost));
            _lost = 0;
        }
    }

    private void Failing(string problem)
    {
        if (_isFailing)
            return;
        _isFailing = true;
        runtime.Telemetry.Events.Warning("telemetry-failed", ("signal", name), ("endpoint", config.Endpoint.ToString()), ("problem", problem));
    }
}
