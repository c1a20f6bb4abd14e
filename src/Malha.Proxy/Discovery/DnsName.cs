using Malha.Configuration;
using Malha.Proxy.Telemetry.Logging;

namespace Malha.Proxy.Discovery;

/// <summary>
/// One name that endpoints are found under: asked for again and again as its time to live says, within bounds. The last good answer holds until there is another one, however long
/// that takes.
/// </summary>
internal sealed class DnsName : IDisposable
{
    /// <summary>After failures it is asked for less and less often, until this.</summary>
    private static readonly TimeSpan LongestPause = TimeSpan.FromSeconds(30);

    private readonly CancellationTokenSource _stop = new();
    private readonly TaskCompletionSource _asked = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly DnsQuestion _question;
    private readonly TimeProvider _time;
    private readonly EventLog _events;
    private readonly Action _changed;
    private DnsConfig _config;
    private DnsResolver _resolver;
    private DnsTarget[]? _targets;
    private long _answered;
    private long _failed;
    private long _goodAt;
    private string? _problem;

    public DnsName(DnsQuestion question, DnsConfig config, DnsResolver resolver, TimeProvider time, EventLog events, Action changed)
    {
        _question = question;
        _config = config;
        _resolver = resolver;
        _time = time;
        _events = events;
        _changed = changed;
        _ = Task.Run(RunAsync);
    }

    public DnsQuestion Question => _question;

    /// <summary>The last good answer; null before the first.</summary>
    public DnsTarget[]? Targets => Volatile.Read(ref _targets);

    /// <summary>Why the last question failed; null when it did not.</summary>
    public string? Problem => Volatile.Read(ref _problem);

    /// <summary>Questions that were answered, and those that were not.</summary>
    public (long Answered, long Failed) Counts => (Interlocked.Read(ref _answered), Interlocked.Read(ref _failed));

    /// <summary>How old the last good answer is; null before the first.</summary>
    public TimeSpan? Age => Targets is null ? null : _time.GetElapsedTime(Interlocked.Read(ref _goodAt));

    /// <summary>Completes when it has been asked for once, whatever came of it.</summary>
    public Task Asked => _asked.Task;

    /// <summary>From the next question on.</summary>
    public void Update(DnsConfig config, DnsResolver resolver)
    {
        Volatile.Write(ref _config, config);
        Volatile.Write(ref _resolver, resolver);
    }

    public void Dispose()
    {
        _stop.Cancel();
        _stop.Dispose();
    }

    private async Task RunAsync()
    {
        var stopped = _stop.Token;
        var failures = 0;
        try
        {
            while (true)
            {
                var answer = await Volatile.Read(ref _resolver).AskAsync(_question, stopped);
                failures = answer.Problem is null ? 0 : failures + 1;
                Take(answer);
                _asked.TrySetResult();
                await Task.Delay(PauseAfter(Volatile.Read(ref _config), answer, failures), _time, stopped);
            }
        }
        catch (Exception exception) when (exception is OperationCanceledException or ObjectDisposedException)
        {
            // The configuration names it no longer.
        }
        catch (Exception exception)
        {
            _events.Error("bug", ("exception", exception.ToString()));
        }
        _asked.TrySetResult();
    }

    /// <summary>How long an answer, or the last of some failures in a row, is left alone.</summary>
    public static TimeSpan PauseAfter(DnsConfig config, DnsAnswer answer, int failures)
    {
        if (answer.Problem is null)
            return answer.Ttl < config.MinTtl ? config.MinTtl : answer.Ttl > config.MaxTtl ? config.MaxTtl : answer.Ttl;
        var most = config.MaxTtl < LongestPause ? config.MaxTtl : LongestPause;
        var pause = config.MinTtl * Math.Pow(2, Math.Min(failures - 1, 10));
        return pause < most ? pause : most;
    }

    private void Take(DnsAnswer answer)
    {
        var before = _targets;
        if (answer.Problem is { } problem)
        {
            Interlocked.Increment(ref _failed);
            if (Interlocked.Exchange(ref _problem, problem) is null)
                _events.Warning("dns-failed", ("name", _question.ToString()), ("problem", problem), ("endpoints", before?.Length ?? 0));
            return;
        }

        Interlocked.Increment(ref _answered);
        Interlocked.Exchange(ref _goodAt, _time.GetTimestamp());
        if (Interlocked.Exchange(ref _problem, null) is not null)
            _events.Info("dns-recovered", ("name", _question.ToString()));
        if (before is not null && before.AsSpan().SequenceEqual(answer.Targets))
            return;
        Volatile.Write(ref _targets, answer.Targets);
        _events.Info("dns-changed", ("name", _question.ToString()), ("endpoints", answer.Targets.Length),
            ("added", Words(answer.Targets.Except(before ?? []))), ("removed", Words((before ?? []).Except(answer.Targets))));
        _changed();
    }

    private static string Words(IEnumerable<DnsTarget> targets)
    {
        const int Shown = 20;
        var all = targets.Select(target => target.Port == 0 ? target.Address : string.Create(null, $"{target.Address}:{target.Port}")).ToArray();
        return string.Join(' ', all.Take(Shown)) + (all.Length > Shown ? " …" : "");
    }
}
