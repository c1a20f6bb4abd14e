using System.CommandLine;
using System.Globalization;
using System.Text.Json;
using Malha.Cli.Admin;
using Malha.Configuration;
using Malha.ControlPlane.Api;
using Malha.ControlPlane.Api.Views;
using Malha.Delivery;
using Malha.Delivery.Log;
using Malha.Delivery.Operations;
using Spectre.Console;

namespace Malha.Cli.Commands;

/// <summary><c>malha ops</c>: the operations of the durable lane, and an operator's word for them.</summary>
internal static class OpsCommand
{
    private const string Path = "/api/v1/operations";

    public static Command Build() => new("ops", "See and steer the operations that were accepted for later")
    {
        List(),
        Show(),
        Word("retry", "Try an operation that waits at once, whatever its back-off", HttpMethod.Post, "/retry"),
        Word("cancel", "Take an operation back that waits", HttpMethod.Post, "/cancel"),
        Word("drop", "Make an operation that waits a dead letter", HttpMethod.Delete, ""),
        Lanes(),
        Recover(),
    };

    /// <summary>Operations as lines.</summary>
    public static void Write(IAnsiConsole console, IReadOnlyList<OperationView> operations, bool withCause)
    {
        if (operations.Count == 0)
        {
            console.WriteLine("none");
            return;
        }
        var table = AdminSession.Table("operation", "state", "service", "request", "client", "made", "attempts", withCause ? "cause" : "waits for");
        foreach (var one in operations)
        {
            table.AddRow(
                new Text(one.Id), new Text(one.State), new Text(one.Service), new Text($"{one.Method} {one.Target}"), new Text(one.Client ?? "-"), new Text(Time(one.CreatedAt)),
                new Text(one.AttemptCount.ToString(CultureInfo.InvariantCulture)), new Text((withCause ? one.Cause : one.WaitsFor ?? one.Cause) ?? ""));
        }
        console.Write(table);
    }

    private static Command List()
    {
        var service = new Option<string?>("--service") { Description = "Only those of a service", HelpName = "SERVICE" };
        var state = new Option<string?>("--state") { Description = "Only those that are waiting, running, succeeded, dead or cancelled", HelpName = "STATE" };
        var client = new Option<string?>("--client") { Description = "Only those of a client", HelpName = "CLIENT" };
        return new AdminCommand().On(new Command("list", "List operations, oldest first") { service, state, client }, async (session, parsed, cancellation) =>
        {
            var query = string.Join('&', new[] { ("service", parsed.GetValue(service)), ("state", parsed.GetValue(state)), ("client", parsed.GetValue(client)) }
                .Where(one => one.Item2 is not null).Select(one => $"{one.Item1}={Uri.EscapeDataString(one.Item2!)}"));
            var (reply, operations) = await session.Client.ListAsync(query.Length == 0 ? Path : $"{Path}?{query}", ApiJson.Default.PageOperationView, cancellation);
            if (reply.Code != Usage.Done)
                return session.Fail(reply);
            return session.Done(JsonSerializer.Serialize(new Page<OperationView>(operations, null), ApiJson.Default.PageOperationView), console => Write(console, operations, withCause: false));
        });
    }

    private static Command Show()
    {
        var id = new Argument<string>("ID") { Description = "The operation, as its Location or as its name" };
        return new AdminCommand().On(new Command("show", "Show one operation, and its attempts") { id }, async (session, parsed, cancellation) =>
        {
            var reply = await session.Client.GetAsync($"{Path}/{Name(parsed.GetValue(id)!)}", cancellation);
            return reply.Code != Usage.Done ? session.Fail(reply) : session.Done(reply.Body!, console => Write(console, reply.Read(ApiJson.Default.OperationView)));
        });
    }

    private static Command Word(string name, string description, HttpMethod method, string what)
    {
        var id = new Argument<string>("ID") { Description = "The operation, as its Location or as its name" };
        return new AdminCommand().On(new Command(name, description) { id }, async (session, parsed, cancellation) =>
        {
            var reply = await session.Client.SendAsync(method, $"{Path}/{Name(parsed.GetValue(id)!)}{what}", null, cancellation);
            return reply.Code != Usage.Done ? session.Fail(reply) : session.Done(reply.Body!, console => Write(console, reply.Read(ApiJson.Default.OperationView)));
        });
    }

    private static Command Lanes() => new AdminCommand().On(new Command("lanes", "Show the lanes: how many wait, for how long, and why"), async (session, _, cancellation) =>
    {
        var (reply, lanes) = await session.Client.ListAsync("/api/v1/lanes", ApiJson.Default.PageLaneView, cancellation);
        if (reply.Code != Usage.Done)
            return session.Fail(reply);
        return session.Done(JsonSerializer.Serialize(new Page<LaneView>(lanes, null), ApiJson.Default.PageLaneView), console => Write(console, lanes));
    });

    private static void Write(IAnsiConsole console, List<LaneView> lanes)
    {
        if (lanes.Count == 0)
        {
            console.WriteLine("none");
            return;
        }
        var table = AdminSession.Table("lane", "waiting", "under way", "oldest", "per s", "succeeded", "dead", "held for");
        foreach (var lane in lanes)
        {
            table.AddRow(
                new Text(lane.Name), Count(lane.Depth), Count(lane.UnderWay), new Text(lane.OldestAgeMs is { } age ? Units.Format(TimeSpan.FromSeconds(Math.Ceiling(age / 1000))) : "-"),
                new Text(lane.DeliveredPerSecond.ToString("0.#", CultureInfo.InvariantCulture)), Count(lane.Succeeded), Count(lane.Dead), new Text(lane.Hold ?? ""));
        }
        console.Write(table);
    }

    private static Command Recover()
    {
        var file = FileArgument.Build();
        var json = new Option<bool>("--json") { Description = "Print JSON" };
        var command = new Command("recover", "Open what is whole of a log that was damaged; the gateway must not run") { file, json };
        command.SetAction(parsed =>
        {
            var (output, error) = (parsed.InvocationConfiguration.Output, parsed.InvocationConfiguration.Error);
            var read = MalhaConfigReader.ReadFile(parsed.GetValue(file) ?? FileArgument.Default);
            if (read.Config is not { } config)
            {
                foreach (var problem in read.Errors)
                    error.WriteLine(problem);
                return read.IsUnreadable ? Usage.CannotReach : Usage.Bad;
            }
            if (config.Delivery is not { } delivery)
            {
                error.WriteLine("malha: the file has no delivery, and so no log to recover");
                return Usage.Bad;
            }
            var report = LogRecovery.Recover(DeliveryRole.LogOf(delivery));
            if (parsed.GetValue(json))
                output.WriteLine(new System.Text.Json.Nodes.JsonObject
                {
                    ["recovered"] = report.Recovered, ["message"] = report.Message, ["operations"] = report.Operations, ["batchesBehind"] = report.BatchesBehind, ["setAside"] = report.SetAside,
                    ["lostBytes"] = report.Lost.Sum(damage => damage.End - damage.Start),
                }.ToJsonString());
            else
                (report.Recovered ? output : error).WriteLine($"{(report.Recovered ? "" : "malha: ")}{report.Message}{(report.SetAside.Length > 0 ? $"\nThe logs as they were are in {report.SetAside}." : "")}");
            return report.Recovered ? Usage.Done : Usage.Bad;
        });
        return command;
    }

    /// <summary>One operation and its history.</summary>
    public static void Write(IAnsiConsole console, OperationView operation)
    {
        console.MarkupLineInterpolated($"[bold]{operation.State}[/]{(operation.Cause is { } cause ? ": " + cause : operation.WaitsFor is { } why ? ", waits for " + why : "")}");
        var facts = new Grid().AddColumn(new GridColumn().PadLeft(2).PadRight(2)).AddColumn();
        foreach (var (name, value) in Facts(operation))
            facts.AddRow(new Text(name, new Style(decoration: Decoration.Dim)), new Text(value));
        console.Write(facts);
        if (operation.Attempts.Count == 0)
            return;
        console.WriteLine($"  {operation.AttemptCount} attempt{(operation.AttemptCount == 1 ? "" : "s")}{(operation.AttemptCount > operation.Attempts.Count ? $", the last {operation.Attempts.Count} of them" : "")}:");
        var table = AdminSession.Table("", "at", "outcome");
        foreach (var attempt in operation.Attempts)
            table.AddRow(new Text(""), new Text(Time(attempt.At)), new Text(attempt.Status is { } status ? $"{attempt.Outcome} {status}" : attempt.Outcome));
        console.Write(table);
    }

    private static IEnumerable<(string Name, string Value)> Facts(OperationView operation)
    {
        yield return ("operation", operation.Id);
        yield return ("request", $"{operation.Method} {operation.Target}, {operation.BodyBytes} bytes");
        yield return ("service", $"{operation.Service}, by route {operation.Route}");
        yield return ("client", operation.Client ?? "nobody in particular");
        if (operation.Key is { } key)
            yield return ("key", key);
        yield return ("made", $"{Time(operation.CreatedAt)} by request {operation.RequestId}");
        yield return ("durability", $"{operation.Durability.Level}: {operation.Durability.Where}, {operation.Durability.Copies} cop{(operation.Durability.Copies == 1 ? "y" : "ies")}");
        if (operation.Credentials != "none")
            yield return ("credentials", operation.Credentials);
        if (operation.NextAttemptAt is { } next)
            yield return ("next attempt", Time(next));
        if (operation.Position is { } position)
            yield return ("before it", position.ToString(CultureInfo.InvariantCulture));
        if (operation.ExpiresAt is { } expires)
            yield return ("expires", Time(expires));
        if (operation.FinishedAt is { } finished)
            yield return ("ended", Time(finished));
        if (operation.AnswerStatus is { } status)
            yield return ("answer", status.ToString(CultureInfo.InvariantCulture));
        if (operation.Callback is { } callback)
            yield return ("callback", Told(callback));
    }

    private static string Told(CallbackView callback)
    {
        var last = callback.Problem ?? callback.Status?.ToString(CultureInfo.InvariantCulture);
        return $"{callback.State}, to {callback.Host}{(callback.Attempts > 0 ? $", {callback.Attempts} attempt{(callback.Attempts == 1 ? "" : "s")}" : "")}"
            + $"{(last is null ? "" : ", last " + last)}{(callback.NextAttemptAt is { } next ? ", next " + Time(next) : "")}";
    }

    // Whoever has the address at hand copies it.
    private static string Name(string given) => Uri.EscapeDataString(given.TrimEnd('/')[(given.TrimEnd('/').LastIndexOf('/') + 1)..]);

    private static Text Count(long count) => new(count.ToString(CultureInfo.InvariantCulture));

    private static string Time(DateTimeOffset at) => at.UtcDateTime.ToString("yyyy-MM-dd HH:mm:ss.fff", CultureInfo.InvariantCulture) + " UTC";
}
