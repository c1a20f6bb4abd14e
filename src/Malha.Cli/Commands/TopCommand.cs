using System.CommandLine;
using System.Globalization;
using System.Runtime.InteropServices;
using System.Text.Json;
using Malha.Cli.Admin;
using Malha.ControlPlane.Api;
using Malha.ControlPlane.Api.Views;
using Spectre.Console;

namespace Malha.Cli.Commands;

/// <summary><c>malha top</c>: the services and what they bear, again and again on a terminal, once elsewhere.</summary>
internal static class TopCommand
{
    private static readonly TimeSpan Every = TimeSpan.FromSeconds(1);

    public static Command Build()
    {
        var once = new Option<bool>("--once") { Description = "Show it once and end" };
        return new AdminCommand().On(new Command("top", "Show the services and what they bear now") { once }, (session, parsed, cancellation) =>
            parsed.GetValue(once) || session.IsJson || !session.Console.Profile.Out.IsTerminal
                ? ShowAsync(session, cancellation)
                : FollowAsync(session, TimeProvider.System, cancellation));
    }

    private static async Task<int> ShowAsync(AdminSession session, CancellationToken cancellation)
    {
        var (reply, load) = await ReadAsync(session.Client, cancellation);
        if (load is null)
            return session.Fail(reply);
        var services = JsonSerializer.Serialize(new Page<ServiceView>(load.Services, null), ApiJson.Default.PageServiceView);
        var limits = JsonSerializer.Serialize(new Page<AdmissionView>([.. load.Limits.Values], null), ApiJson.Default.PageAdmissionView);
        return session.Done($$"""{"services":{{services}},"admission":{{limits}}}""", console => console.Write(Draw(load, null, TimeSpan.Zero)));
    }

    private static async Task<int> FollowAsync(AdminSession session, TimeProvider time, CancellationToken cancellation)
    {
        // Ctrl-C is how one leaves it: a process that the signal ends leaves the terminal without a cursor.
        using var left = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        void Leave(PosixSignalContext context)
        {
            context.Cancel = true;
            left.Cancel();
        }

        using var interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, Leave);
        using var terminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, Leave);
        AdminReply? failed = null;
        try
        {
            await session.Screen().Live(new Text("")).StartAsync(async live => failed = await RedrawAsync(live, session.Client, time, left.Token));
        }
        catch (OperationCanceledException) when (left.IsCancellationRequested)
        {
            return Usage.Done;
        }
        return session.Fail(failed!);
    }

    /// <summary>Draws until the gateway does not answer.</summary>
    private static async Task<AdminReply> RedrawAsync(LiveDisplayContext live, AdminClient client, TimeProvider time, CancellationToken cancellation)
    {
        (Load Load, long At)? before = null;
        while (true)
        {
            var (reply, load) = await ReadAsync(client, cancellation);
            if (load is null)
                return reply;
            var now = time.GetTimestamp();
            live.UpdateTarget(Draw(load, before?.Load, before is { } earlier ? time.GetElapsedTime(earlier.At, now) : TimeSpan.Zero));
            before = (load, now);
            await Task.Delay(Every, time, cancellation);
        }
    }

    private static async Task<(AdminReply Reply, Load? Load)> ReadAsync(AdminClient client, CancellationToken cancellation)
    {
        var (reply, services) = await client.ListAsync("/api/v1/services", ApiJson.Default.PageServiceView, cancellation);
        if (reply.Code != Usage.Done)
            return (reply, null);
        (reply, var limits) = await client.ListAsync("/api/v1/admission", ApiJson.Default.PageAdmissionView, cancellation);
        return (reply, reply.Code != Usage.Done ? null : new Load(services, limits.ToDictionary(limit => limit.Service)));
    }

    private static Table Draw(Load load, Load? before, TimeSpan since)
    {
        var table = AdminSession.Table("service", "endpoints", "active", "limit", "queue", before is null ? "calls" : "per s", "mean", "failed", "state");
        foreach (var service in load.Services)
        {
            var limit = load.Limits.GetValueOrDefault(service.Name);
            // What a service answered as failed, and what it did not answer at all.
            var failed = service.Attempts.ByStatus.Where(status => status.Key[0] is '5' or 'n').Sum(status => status.Value);
            var earlier = before?.Services.Find(one => one.Name == service.Name)?.Attempts.Count;
            table.AddRow(
                new Text(service.Name), new Text(service.Draining > 0 ? $"{service.Endpoints}, {service.Draining} draining" : Number(service.Endpoints)),
                new Text(Number(service.InFlight)), new Text(limit?.Limit is { } most ? Number(most) : "none"), new Text(Number(limit?.Waiting ?? 0)),
                new Text(Number(earlier is { } count ? (service.Attempts.Count - count) / since.TotalSeconds : service.Attempts.Count)),
                new Text(service.Attempts.MeanMs is { } mean ? Number(mean) + "ms" : ""), new Text(Number(failed), Alarm(failed > 0)),
                new Text(State(service), Alarm(service.BreakersOpen > 0 || service.Health is { State: not "healthy" })));
        }
        return table;
    }

    // Only what is not as it should be: a terminal of 80 columns holds no more.
    private static string State(ServiceView service)
    {
        var health = service.Health switch
        {
            null or { State: "healthy" } => "",
            { State: "degraded", DegradedBecauseOf: { } cause } => $"degraded by {cause}",
            var other => other.State,
        };
        var used = service.Health is { Usable: > 0 } some && some.Usable < service.Endpoints ? $"{Number(some.Usable)} used" : "";
        var breakers = service.BreakersOpen switch { 0 => "", 1 => "1 breaker open", var open => $"{Number(open)} breakers open" };
        return string.Join(", ", ((string[])[health, used, breakers]).Where(text => text.Length > 0));
    }

    private static Style Alarm(bool isAlarm) => isAlarm ? new Style(Color.Red) : Style.Plain;

    private static string Number(double value) => value.ToString("0.#", CultureInfo.InvariantCulture);

    private sealed record Load(List<ServiceView> Services, Dictionary<string, AdmissionView> Limits);
}
