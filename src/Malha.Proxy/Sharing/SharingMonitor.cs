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
        else
            Divide(model, gateways: 1);
    }

    public void Dispose()
    {
        _ending.Cancel();
        _ = _limits?.DisposeAsync().AsTask();
    }

    private async Task DivideAsync()
    {
        using var timer = new PeriodicTimer(Turn, time);
        try
        {
            while (await timer.WaitForNextTickAsync(_ending.Token))
            {
                if (Limits is not { } limits || Volatile.Read(ref _model) is not { } model)
                    continue;
                Divide(model, limits.Gateways);
                foreach (var gone in _wants.Keys.Except(model.Services.Values.Select(service => service.State.Admission?.Controller).OfType<AdmissionController>()).ToList())
                    _wants.Remove(gone);
                foreach (var service in model.Services.Values)
                {
                    if (service.Config.Capacity is { } capacity && service.State.Admission is { } admission)
                        admission.Controller.SetCapacityShare(await ShareAsync(limits, service, admission.Controller, capacity), runtime.Clock.Now);
                }
            }
        }
        catch (OperationCanceledException)
        {
            // It ends.
        }
    }

    private void Divide(GatewayModel model, int gateways)
    {
        var now = runtime.Clock.Now;
        foreach (var service in model.Services.Values)
        {
            service.State.Share(gateways, service.Config.RetryBudget, now);
            if (gateways == 1)
                service.State.Admission?.Controller.SetCapacityShare(1, now);
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
