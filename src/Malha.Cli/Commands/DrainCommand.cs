using System.CommandLine;
using System.Globalization;
using Malha.Cli.Admin;
using Malha.ControlPlane.Api;
using Malha.ControlPlane.Api.Views;
using Spectre.Console;

namespace Malha.Cli.Commands;

/// <summary><c>malha drain ENDPOINT</c>: nothing new goes to an endpoint, and what is under way ends.</summary>
internal static class DrainCommand
{
    private static readonly TimeSpan LookEvery = TimeSpan.FromMilliseconds(100);

    public static Command Build()
    {
        var endpoint = new Argument<string>("ENDPOINT") { Description = "Its URL, or SERVICE/URL when several services have it" };
        var undo = new Option<bool>("--undo") { Description = "Let it have traffic again" };
        var wait = new Option<bool>("--wait") { Description = "End when nothing is under way there any more" };
        var timeout = DurationOption.Build("--timeout", "With --wait: how long at most; then exit code 1");
        var command = new Command("drain", "Let an endpoint run empty: nothing new goes there, what is under way ends") { endpoint, undo, wait, timeout };
        command.Validators.Add(result =>
        {
            if (result.GetValue(undo) && result.GetValue(wait))
                result.AddError("--undo has nothing to wait for");
            if (result.GetResult(timeout) is { Implicit: false } && !result.GetValue(wait))
                result.AddError("--timeout belongs to --wait");
        });
        return new AdminCommand().On(command, async (session, parsed, cancellation) =>
        {
            var (found, code) = await FindAsync(session, parsed.GetValue(endpoint)!, cancellation);
            if (found is not { } place)
                return code;
            var method = parsed.GetValue(undo) ? HttpMethod.Delete : HttpMethod.Post;
            var reply = await session.Client.SendAsync(method, place.Path + "/drain", null, cancellation);
            if (reply.Code != Usage.Done)
                return session.Fail(reply);
            return parsed.GetValue(wait)
                ? await WaitAsync(session, place, reply, parsed.GetValue(timeout), TimeProvider.System, cancellation)
                : session.Done(reply.Body!, console => Write(console, place, reply.Read(ApiJson.Default.EndpointView)));
        });
    }

    private static async Task<(Place? Place, int Code)> FindAsync(AdminSession session, string text, CancellationToken cancellation)
    {
        var (services, code) = await ServicesAsync(session, cancellation);
        if (services is null)
            return (null, code);
        var places = new List<Place>();
        foreach (var service in services)
        {
            var (reply, endpoints) = await session.Client.ListAsync($"/api/v1/services/{Uri.EscapeDataString(service)}/endpoints", ApiJson.Default.PageEndpointView, cancellation);
            if (reply.Code != Usage.Done)
                return (null, session.Fail(reply));
            places.AddRange(endpoints.Select(one => new Place(service, one.Url)));
        }

        var fitting = places.Where(place => place.IsCalled(text)).ToList();
        if (fitting.Count == 1)
            return (fitting[0], Usage.Done);
        return (null, session.Fail(fitting.Count == 0
            ? $"no service has an endpoint '{text}'; there are {string.Join(", ", places.Take(10))}{(places.Count > 10 ? ", …" : "")}"
            : $"'{text}' is an endpoint of several services; say which: {string.Join(", ", fitting)}"));
    }

    private static async Task<(List<string>? Names, int Code)> ServicesAsync(AdminSession session, CancellationToken cancellation)
    {
        var (reply, services) = await session.Client.ListAsync("/api/v1/services", ApiJson.Default.PageServiceView, cancellation);
        return reply.Code != Usage.Done ? (null, session.Fail(reply)) : ([.. services.Select(service => service.Name)], Usage.Done);
    }

    private static async Task<int> WaitAsync(AdminSession session, Place place, AdminReply reply, TimeSpan? atMost, TimeProvider time, CancellationToken cancellation)
    {
        var started = time.GetTimestamp();
        var left = -1;
        while (true)
        {
            var view = reply.Read(ApiJson.Default.EndpointView);
            if (view.InFlight == 0 || (atMost is { } most && time.GetElapsedTime(started) >= most))
            {
                session.Done(reply.Body!, console => Write(console, place, view));
                return view.InFlight == 0 ? Usage.Done : Usage.Bad;
            }
            if (!session.IsJson && view.InFlight != left)
                Write(session.Console, place, view);
            left = view.InFlight;
            await Task.Delay(LookEvery, time, cancellation);
            reply = await session.Client.GetAsync(place.Path, cancellation);
            if (reply.Code != Usage.Done)
                return session.Fail(reply);
        }
    }

    private static void Write(IAnsiConsole console, Place place, EndpointView view) => console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{place}: {State(view)}"));

    private static string State(EndpointView view) => !view.Draining ? "not draining: it gets requests like the others"
        : view.InFlight == 0 ? "draining, and empty: nothing is under way"
        : string.Create(CultureInfo.InvariantCulture, $"draining, {view.InFlight} under way");

    /// <summary>An endpoint of a service.</summary>
    private sealed record Place(string Service, string Url)
    {
        public string Path => $"/api/v1/services/{Uri.EscapeDataString(Service)}/endpoints/{Uri.EscapeDataString(Url)}";

        public bool IsCalled(string text)
        {
            var trimmed = text.TrimEnd('/');
            var address = Url[(Url.IndexOf("://", StringComparison.Ordinal) + 3)..];
            return trimmed == Url || trimmed == address || trimmed == $"{Service}/{Url}" || trimmed == $"{Service}/{address}";
        }

        public override string ToString() => $"{Service}/{Url}";
    }
}
