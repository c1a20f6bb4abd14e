using Malha.Configuration;
using Malha.Proxy.Upstream;
using Malha.Resilience;

namespace Malha.Proxy.Health;

/// <summary>Checks one endpoint again and again, the first time at once, never twice at a time, until it is stopped.</summary>
internal sealed class EndpointProber : IDisposable
{
    /// <summary>Between the end of a check that took longer than its interval and the next.</summary>
    private static readonly TimeSpan Breath = TimeSpan.FromMilliseconds(10);

    private readonly CancellationTokenSource _stop = new();
    private readonly CancellationToken _stopped;
    private readonly ServiceHealth _health;
    private readonly EndpointState _endpoint;
    private readonly SemaphoreSlim _slots;
    private readonly Clock _clock;
    private readonly ServiceConfig _service;
    private readonly EndpointConfig _config;
    private Probe? _probe;

    public EndpointProber(ServiceModel service, int index, SemaphoreSlim slots, Clock clock)
    {
        _service = service.Config;
        _config = service.Found[index];
        _endpoint = service.Endpoints[index];
        _health = service.State.Health!;
        _slots = slots;
        _clock = clock;
        _stopped = _stop.Token;
    }

    /// <summary>Completes when it has stopped.</summary>
    public Task Ended { get; private set; } = Task.CompletedTask;

    /// <summary>Whether it checks in the way that the configuration asks for. Thresholds are not part of it: they apply as they are.</summary>
    public bool Fits(ServiceConfig service, EndpointConfig config) =>
        config.Equals(_config) && Equals(service.Tls, _service.Tls) && Check(service.Health!).Equals(Check(_service.Health!));

    /// <summary>Begins; one that it replaces is waited for.</summary>
    public void Start(Task after) => Ended = Task.Run(() => RunAsync(after));

    /// <summary>Ends a check that is under way, too.</summary>
    public void Dispose()
    {
        _stop.Cancel();
        _stop.Dispose();
    }

    private static HealthConfig Check(HealthConfig health) => health with { Rise = 0, Fall = 0, SlowStart = null, Ejection = false, DependsOn = [] };

    private async Task RunAsync(Task after)
    {
        await after;
        try
        {
            while (_endpoint.Health.State is { } state)
            {
                await _slots.WaitAsync(_stopped);
                var due = _clock.Now + state.NextProbe();
                CheckRecord check;
                try
                {
                    check = await CheckAsync();
                }
                finally
                {
                    _slots.Release();
                }

                var now = _clock.Now;
                var next = Moment.Max(due, now + Breath);
                try
                {
                    _health.OnCheck(_endpoint, check, next);
                }
                catch (Exception exception)
                {
                    // Whatever it was, the endpoint goes on being checked.
                    _health.Failed(exception);
                }
                await Task.Delay(next - now, _clock.Source, _stopped);
            }
        }
        catch (OperationCanceledException)
        {
            // Stopped.
        }
    }

    private async Task<CheckRecord> CheckAsync()
    {
        var time = _clock.Source;
        var started = time.GetTimestamp();
        var timeout = _service.Health!.Timeout;
        using var patience = new CancellationTokenSource(timeout, time);
        using var both = CancellationTokenSource.CreateLinkedTokenSource(patience.Token, _stopped);
        ProbeReport report;
        try
        {
            _probe ??= Probe.Of(_service, _config, time);
            report = await _probe.RunAsync(both.Token);
        }
        catch (OperationCanceledException) when (!_stopped.IsCancellationRequested)
        {
            report = ProbeReport.TimedOut($"{_probe!.What}: no answer within {timeout.TotalMilliseconds:0} ms");
        }
        catch (Exception exception) when (exception is not OperationCanceledException)
        {
            // Whatever a client library, a certificate or a name may bring: the endpoint could not be checked.
            report = ProbeReport.Failed($"{_probe?.What ?? "the check"}: {exception.Message}", null);
        }

        return new CheckRecord(time.GetUtcNow(), time.GetElapsedTime(started), report);
    }
}
