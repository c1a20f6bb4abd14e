using System.Collections.Concurrent;
using System.Diagnostics;
using Malha.Bench.Overload.Figures;

namespace Malha.Bench.Overload.Load;

/// <summary>
/// Plays a plan: one thread sends each call at its moment, gives up what has waited too long, and triggers the faults; answers come on the
/// sockets' thread. A call whose every attempt fails ends as its last one did.
/// </summary>
internal sealed class Player
{
    private const long LongestSleep = 500 * PreciseTime.Microsecond;
    private const int WarmUpCalls = 1500;
    private const double WarmUpSeconds = 1.5;

    private readonly Plan _plan;
    private readonly IReadOnlyList<(long At, int Stream)> _arrivals;
    private readonly CallRecord[] _records;
    private readonly long[] _lateness;
    private readonly Target[] _targets;
    private readonly ConcurrentQueue<Attempt> _open = new();
    private readonly long _deadline;
    private long _began;
    private int _attempts;
    private volatile bool _over;

    private Player(Plan plan)
    {
        _plan = plan;
        _arrivals = Arrivals.Of(plan);
        _records = new CallRecord[_arrivals.Count];
        _lateness = new long[_arrivals.Count];
        _targets = [.. plan.Streams.Select(stream => new Target(stream.Url, stream.Headers))];
        _deadline = (long)(plan.DeadlineMs * PreciseTime.Millisecond);
    }

    /// <summary>The report as JSON.</summary>
    public static async Task<string> PlayAsync(Plan plan)
    {
        var warmUp = new StreamPlan { Name = "warm-up", Url = plan.WarmUrl, Rates = [new RatePlan(0, WarmUpCalls / WarmUpSeconds)] };
        await new Player(new Plan { Seconds = WarmUpSeconds, Streams = [warmUp], WarmUrl = plan.WarmUrl }).RunAsync();

        using var held = await HeldConnections.OpenAsync(plan.Held);
        var player = new Player(plan);
        var cpu = Process.GetCurrentProcess().TotalProcessorTime;
        var began = Stopwatch.GetTimestamp();
        await player.RunAsync();
        var ownShare = (Process.GetCurrentProcess().TotalProcessorTime - cpu) / Stopwatch.GetElapsedTime(began);
        return Plan.Write(player.Report(held, ownShare));
    }

    /// <summary>An attempt has ended, on any thread.</summary>
    public void Ended(Attempt attempt, Outcome outcome, int status)
    {
        var now = PreciseTime.Now;
        if (outcome != Outcome.Good && attempt.Number <= _plan.Retries && !_over)
        {
            Start(attempt.Call, attempt.Number + 1, now, now + _deadline);
            return;
        }
        var intended = _arrivals[attempt.Call].At;
        var latency = now - _began - intended;
        if (outcome == Outcome.Good && latency > _deadline)
            outcome = Outcome.Late;
        if (outcome == Outcome.Refused)
            latency = now - attempt.StartedAt;
        _records[attempt.Call] = new CallRecord(intended, outcome, status, latency);
    }

    private async Task RunAsync()
    {
        using var faults = new Faults(_plan.Actions);
        await faults.ConnectAsync();
        // Not on a pool thread: it sleeps in the kernel.
        await Task.Factory.StartNew(() => Send(faults), CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
        await faults.DoneAsync();
        foreach (var target in _targets)
            target.CloseIdle();
    }

    private void Send(Faults faults)
    {
        for (var call = 0; call < _records.Length; call++)
            _records[call] = new CallRecord(_arrivals[call].At, Outcome.Open, 0, 0);
        _began = PreciseTime.Now + 10 * PreciseTime.Millisecond;
        // Whoever is still retrying when the last call's deadline has passed can only be late.
        var end = _began + (long)(_plan.Seconds * PreciseTime.Second) + _deadline;
        var next = 0;
        for (var now = PreciseTime.Now; now < end; now = PreciseTime.Now)
        {
            while (next < _arrivals.Count && _began + _arrivals[next].At <= now)
            {
                var intended = _began + _arrivals[next].At;
                _lateness[next] = now - intended;
                Start(next++, number: 1, intended, intended + _deadline);
            }
            while (_open.TryPeek(out var oldest) && oldest.GivesUpAt <= now && _open.TryDequeue(out _))
                oldest.GiveUpIfOpen();
            faults.TriggerDue(now - _began);
            var wake = next < _arrivals.Count ? _began + _arrivals[next].At : end;
            PreciseTime.Sleep(Math.Min(wake - PreciseTime.Now, LongestSleep));
        }
        _over = true;
        while (_open.TryDequeue(out var left))
            left.GiveUpIfOpen();
    }

    private void Start(int call, int number, long startedAt, long givesUpAt)
    {
        Interlocked.Increment(ref _attempts);
        var connection = _targets[_arrivals[call].Stream].Take();
        var attempt = new Attempt(this, call, number, startedAt, givesUpAt, connection);
        _open.Enqueue(attempt);
        connection.Begin(attempt);
    }

    private LoadReport Report(HeldConnections held, double ownShare)
    {
        var windows = _plan.Windows.ToDictionary(window => window.Name, WindowOf);
        var seconds = CallFigures.BySecond(_records, (int)Math.Ceiling(_plan.Seconds));
        return new LoadReport(
            windows, seconds, _plan.TriggerEnds is { } end ? Recovery.BackAfter(seconds, end) : null,
            held.Opened, held.Alive, _attempts, (Percentile.Of(_lateness, 0.99) ?? 0) / PreciseTime.Millisecond, ownShare);
    }

    private WindowReport WindowOf(WindowPlan window)
    {
        var from = (long)(window.From * PreciseTime.Second);
        var to = (long)(window.To * PreciseTime.Second);
        var inside = Enumerable.Range(0, _records.Length).Where(call => _arrivals[call].At >= from && _arrivals[call].At < to).ToList();
        CallFigures Figures(IEnumerable<int> calls, double? capacity) =>
            CallFigures.Of([.. calls.Select(call => _records[call])], capacity, window.To - window.From);
        return new WindowReport(
            Figures(inside, _plan.Capacity),
            _plan.Streams.Select((stream, index) => (stream.Name, Of: Figures(inside.Where(call => _arrivals[call].Stream == index), stream.Capacity)))
                .ToDictionary(pair => pair.Name, pair => pair.Of));
    }
}

/// <summary>What the driver reads.</summary>
/// <param name="Windows">Figures by window.</param>
/// <param name="Seconds">Calls by the second in which they were to be sent.</param>
/// <param name="BackAfter">Seconds from the trigger's end to five good ones in a row; null: never, or there was no trigger.</param>
/// <param name="HeldOpened">Connections that were to stay open.</param>
/// <param name="HeldAlive">Those that did.</param>
/// <param name="Attempts">Requests sent, retries included.</param>
/// <param name="LatenessP99Ms">How much later than intended calls were sent: whether the clients kept up.</param>
/// <param name="OwnCpuShare">CPU time of the clients in cores.</param>
internal sealed record LoadReport(
    IReadOnlyDictionary<string, WindowReport> Windows, IReadOnlyList<SecondFigures> Seconds, int? BackAfter,
    int HeldOpened, int HeldAlive, int Attempts, double LatenessP99Ms, double OwnCpuShare);

internal sealed record WindowReport(CallFigures Total, IReadOnlyDictionary<string, CallFigures> Streams);
