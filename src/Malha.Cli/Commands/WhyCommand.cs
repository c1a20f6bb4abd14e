using System.CommandLine;
using System.Globalization;
using Malha.Cli.Admin;
using Malha.ControlPlane.Api;
using Malha.ControlPlane.Api.Views;
using Malha.Delivery.Operations;
using Spectre.Console;

namespace Malha.Cli.Commands;

/// <summary><c>malha why ID</c>: what the gateway decided about a request, by which rule, and every attempt; of an operation of the durable lane, what became of it.</summary>
internal static class WhyCommand
{
    public static Command Build()
    {
        var id = new Argument<string>("ID") { Description = "The X-Request-Id of the answer, the instance of its problem document, or an operation of the durable lane" };
        var command = new Command("why", "Tell why a request was refused, retried, deferred or given up") { id };
        return new AdminCommand().On(command, (session, parsed, cancellation) => RunAsync(session, parsed.GetValue(id)!, cancellation));
    }

    private static async Task<int> RunAsync(AdminSession session, string given, CancellationToken cancellation)
    {
        // Whoever has a problem document at hand copies its instance.
        var id = given[(given.LastIndexOf('/') + 1)..];
        var reply = await session.Client.GetAsync("/api/v1/decisions/" + Uri.EscapeDataString(id), cancellation);
        if (reply.Code == Usage.Bad && OperationId.TryParse(id, out _))
        {
            var operation = await session.Client.GetAsync("/api/v1/operations/" + id, cancellation);
            if (operation.Code == Usage.Done)
                return session.Done(operation.Body!, console => OpsCommand.Write(console, operation.Read(ApiJson.Default.OperationView)));
        }
        if (reply.Code == Usage.Bad)
            return session.Fail(reply, "the id is the answer's X-Request-Id, and requestId in the access log; /api/v1/decisions has the latest ones");
        return reply.Code != Usage.Done ? session.Fail(reply) : session.Done(reply.Body!, console => Write(console, reply.Read(ApiJson.Default.DecisionView)));
    }

    private static void Write(IAnsiConsole console, DecisionView decision)
    {
        console.MarkupLineInterpolated($"[bold]{decision.Outcome}[/] {decision.Status}{(decision.Refusal is { } refused ? ": " + refused.Title : "")}");
        var facts = new Grid().AddColumn(new GridColumn().PadLeft(2).PadRight(2)).AddColumn();
        foreach (var (name, value) in Facts(decision))
            facts.AddRow(new Text(name, new Style(decoration: Decoration.Dim)), new Text(value));
        console.Write(facts);
        if (decision.Attempts.Count > 0)
            WriteAttempts(console, decision);
    }

    private static IEnumerable<(string Name, string Value)> Facts(DecisionView decision)
    {
        yield return ("request", $"{decision.Method} {decision.Target}");
        yield return ("id", decision.Id);
        yield return ("trace", decision.TraceId);
        yield return ("client", (decision.ClientName is { } name ? $"{name}, at {decision.Client}" : decision.Client)
            + (decision.Listener is { } listener ? $", through listener {listener}" : ""));
        yield return ("ended", $"{decision.At.UtcDateTime.ToString("yyyy-MM-dd HH:mm:ss.fff", CultureInfo.InvariantCulture)} UTC, after {Ms(decision.DurationMs)}");
        if (decision.Route is { } route)
            yield return ("route", decision.Service is { } service ? $"{route}, service {service}" : route);
        if (decision.Deferred is { } deferred)
        {
            yield return ("operation", $"{deferred.Operation}, kept with acks {deferred.Acks} (malha why {deferred.Operation})");
            yield return ("deferred", deferred.Why is { } why ? why.Title : "its route defers it, its client asked for it, or others of its key were before it");
        }
        if ((decision.Refusal ?? decision.Deferred?.Why) is not { } refusal)
            yield break;
        yield return ("type", refusal.Type);
        if (refusal.Detail is { } detail)
            yield return ("detail", detail);
        if (refusal.Rule is { } rule)
            yield return ("rule", rule);
        if (refusal is { Observed: { } observed, Limit: { } limit })
            yield return ("measured", $"{Number(observed)}, limit {Number(limit)} ({refusal.Unit})");
        if (refusal.RetryAfterMs is { } retryAfter)
            yield return ("retry after", Ms(retryAfter));
    }

    private static void WriteAttempts(IAnsiConsole console, DecisionView decision)
    {
        var left = decision.AttemptCount - decision.Attempts.Count;
        console.WriteLine($"  {decision.AttemptCount} attempt{(decision.AttemptCount == 1 ? "" : "s")}{(left > 0 ? $", of which {left} before the last are not kept" : "")}:");
        var table = AdminSession.Table("", "start", "endpoint", "outcome", "took", "then");
        foreach (var attempt in decision.Attempts)
        {
            table.AddRow(
                new Text(""), new Text("+" + Ms(attempt.StartMs)), new Text(attempt.Endpoint),
                new Text(attempt.Status?.ToString(CultureInfo.InvariantCulture) ?? attempt.Failure ?? "none"), new Text(Ms(attempt.DurationMs)), new Text(Then(attempt)));
        }
        console.Write(table);
    }

    private static string Then(AttemptView attempt) => attempt.Next switch
    {
        null => "",
        "other-endpoint" => "another endpoint at once: nothing had been sent",
        "retried" => attempt.DelayMs is { } delay ? $"retried after a back-off of {Ms(delay)}" : "retried at once",
        "caller-left" => "no retry: the client did not wait",
        "no-policy" => "no retry: neither the route nor the service has a retry policy",
        "attempts-spent" => "no retry: as many attempts as retry.attempts allows",
        "budget-spent" => "no retry: the retry budget is spent",
        "deadline-too-near" => $"no retry: less time is left than a back-off{(attempt.DelayMs is { } back ? $" of {Ms(back)}" : "")} and an answer take",
        "not-idempotent" => "no retry: it may have been executed, and is not idempotent (no Idempotency-Key)",
        "body-gone" => "no retry: its body was not kept whole",
        "answer-started" => "no retry: the client has the beginning of an answer",
        "retried-above" => "no retry: whoever sent it retries itself",
        var other => other,
    };

    private static string Ms(double milliseconds) => milliseconds >= 1000
        ? string.Create(CultureInfo.InvariantCulture, $"{milliseconds / 1000:0.##}s") : string.Create(CultureInfo.InvariantCulture, $"{milliseconds:0.###}ms");

    private static string Number(double value) => value.ToString("0.####", CultureInfo.InvariantCulture);
}
