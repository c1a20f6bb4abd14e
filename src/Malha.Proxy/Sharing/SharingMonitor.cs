using Malha.Proxy.Upstream;
using Malha.Resilience;

namespace Malha.Proxy.Sharing;

/// <summary>
/// Counts together with other gateways what the configuration says. Without <c>limits</c> nothing of it is made. Limits of clients and routes are <see cref="SharedLimits"/>'; here
/// the capacities of services are divided, four times a second, by what each gateway wants of them, and the floors of retry budgets evenly.
/// </summary>
internal sealed class SharingMonitor(GatewayRuntime runtime, TimeProvider time) : IDisposable
{
    private static readonly TimeSpan Turn = TimeSpan.FromMilliseconds(250);

    /// <summary>How long the end of a program waits for that to be told.</summary>
    private static readonly TimeSpan LeavingPatience = TimeSpan.FromSeconds(1);

    private readonly CancellationTokenSource _ending = new();
    private readonly Dictionary<AdmissionController, (long Asked, double PerSecond)> _wants = [];
    private GatewayModel? _model;
    private SharedLimits? _limits;
    private Task? _dividing;

    /// <summary>Null: each gateway counts its own.</summary>
    public SharedLimits? Limits => Volatile.Read(ref _limits);

    /// <summary>A configuration has come into force. One caller at a time.</summary>
    public void Follow(GatewayModel model)
    {
        Volatile.Write(ref _model, model);
        var (before, config) = (_limits, model.Config.Limits);
        if (Equals(before?.Config, config))
        {
            model.Identity.States.Limiter.Shared = before;
            return;
        }
        var limits = config is null ? null : new SharedLimits(config, new SharedStore(config, time), runtime.Clock, time, runtime.Telemetry.Events);
        limits?.Start();
        Volatile.Write(ref _limits, limits);
        model.Identity.States.Limiter.Shared = limits;
        // Requests under way may still ask it: they find nothing leased.
        _ = before?.DisposeAsync().AsTask();
        if (limits is not null)
            _dividing ??= Task.Run(DivideAsync);
    }

    public void Dispose()
    {
        _ending.Cancel();
        // Others get its part at once and not when they miss it.
        _limits?.DisposeAsync().AsTask().Wait(LeavingPatience);
    }

    private async Task DivideAsync()
    {
        using var timer = new PeriodicTimer(Turn, time);
        try
        {
            while (await timer.WaitForNextTickAsync(_ending.Token))
                await DivideOnceAsync(Volatile.Read(ref _model)!, Limits);
        }
        catch (OperationCanceledException)
        {
            // It ends.
        }
    }

    // Also when a reload has taken the store away: then all of it is this gateway's again.
    private async Task DivideOnceAsync(GatewayModel model, SharedLimits? limits)
    {
        foreach (var gone in _wants.Keys.Except(model.Services.Values.Select(service => service.State.Admission?.Controller).OfType<AdmissionController>()).ToList())
            _wants.Remove(gone);
        foreach (var service in model.Services.Values)
        {
            service.State.Share(limits?.Gateways ?? 1, service.Config.RetryBudget, runtime.Clock.Now);
            if (service.Config.Capacity is { } capacity && service.State.Admission is { } admission)
                admission.Controller.SetCapacityShare(limits is null ? 1 : await ShareAsync(limits, service, admission.Controller, capacity), runtime.Clock.Now);
        }
    }

    // What all want is divided fairly, and what nobody wants evenly: whoever gets more to do has some at once. Without the store an even part is certain to be ours.
    private async Task<double> ShareAsync(SharedLimits limits, ServiceModel service, AdmissionController controller, RateLimitOptions capacity)
    {
        var perSecond = capacity.Limit / capacity.Period.TotalSeconds;
        var mine = WantOf(controller);
        var even = 1.0 / limits.Gateways;
        if (!limits.IsUp || await limits.WantAsync(service.Config.Name, mine) is not { } others)
            return even;
        double[] wants = [mine, .. others];
        var gets = new double[wants.Length];
        Shares.Fair(perSecond, wants, gets);
        var left = perSecond - gets.Sum();
        return Math.Clamp((gets[0] + (left / Math.Max(wants.Length, limits.Gateways))) / perSecond, 1e-3, 1);
    }

    // Smoothed over a second or so: what came in one turn is chance.
    private double WantOf(AdmissionController controller)
    {
        var asked = controller.Asked;
        var (before, perSecond) = _wants.GetValueOrDefault(controller, (asked, 0));
        var now = (asked - before) / Turn.TotalSeconds;
        perSecond += (now - perSecond) * (now > perSecond ? 0.5 : 0.25);
        _wants[controller] = (asked, perSecond);
        return perSecond;
    }
}
