using System.CommandLine;
using System.Net.Http.Json;
using System.Text.Json;
using Malha.Cli.Admin;
using Malha.ControlPlane.Api;
using Malha.ControlPlane.Api.Views;
using Malha.Delivery.Operations;
using Spectre.Console;

namespace Malha.Cli.Commands;

/// <summary><c>malha deadletters</c>: operations that were given up: seen, delivered once more, or let go.</summary>
internal static class DeadLettersCommand
{
    private const string Path = "/api/v1/deadletters";

    public static Command Build() => new("deadletters", "See operations that were given up, and deliver them once more or let them go")
    {
        List(),
        Show(),
        Order("replay", "Put them back into their lanes, at the end", "replayed"),
        Order("drop", "Remove them for good", "dropped"),
    };

    private static Command List()
    {
        var (service, cause) = Selection();
        return new AdminCommand().On(new Command("list", "List dead letters, oldest first") { service, cause }, async (session, parsed, cancellation) =>
        {
            var query = string.Join('&', new[] { ("service", parsed.GetValue(service)), ("cause", parsed.GetValue(cause)) }
                .Where(one => one.Item2 is not null).Select(one => $"{one.Item1}={Uri.EscapeDataString(one.Item2!)}"));
            var (reply, operations) = await session.Client.ListAsync(query.Length == 0 ? Path : $"{Path}?{query}", ApiJson.Default.PageOperationView, cancellation);
            if (reply.Code != Usage.Done)
                return session.Fail(reply);
            return session.Done(
                JsonSerializer.Serialize(new Page<OperationView>(operations, null), ApiJson.Default.PageOperationView), console => OpsCommand.Write(console, operations, withCause: true));
        });
    }

    private static Command Show()
    {
        var id = new Argument<string>("ID") { Description = "The dead letter" };
        return new AdminCommand().On(new Command("show", "Show the last answer to a dead letter") { id }, async (session, parsed, cancellation) =>
        {
            var reply = await session.Client.GetAsync($"/api/v1/operations/{Uri.EscapeDataString(parsed.GetValue(id)!)}/response", cancellation);
            if (reply.Code != Usage.Done)
                return session.Fail(reply);
            return session.Done(reply.Body!, console =>
            {
                var answer = reply.Read(ApiJson.Default.AnswerView);
                console.WriteLine($"the server answered {answer.Status}");
                foreach (var field in answer.Headers)
                    console.WriteLine($"{field.Name}: {field.Value}");
                console.WriteLine();
                console.WriteLine(answer.IsTooLarge ? "(the body was larger than what is kept)" : answer.IsBase64 ? $"(base64) {answer.Body}" : answer.Body);
            });
        });
    }

    private static Command Order(string name, string description, string done)
    {
        var ids = new Argument<string[]>("ID") { Description = "Which", Arity = ArgumentArity.ZeroOrMore };
        var (service, cause) = Selection();
        var all = new Option<bool>("--all") { Description = "Really all" };
        var command = new Command(name, description) { ids, service, cause, all };
        command.Validators.Add(result =>
        {
            var isSelection = result.GetValue(service) is not null || result.GetValue(cause) is not null || result.GetValue(all);
            if (isSelection == (result.GetValue(ids) is { Length: > 0 }))
                result.AddError($"{name} takes IDs, or --service, --cause or --all");
        });
        return new AdminCommand().On(command, async (session, parsed, cancellation) =>
        {
            var order = new DeadLetterOrder(parsed.GetValue(ids) is { Length: > 0 } named ? named : null, parsed.GetValue(service), parsed.GetValue(cause), parsed.GetValue(all));
            var reply = await session.Client.SendAsync(HttpMethod.Post, $"{Path}/{name}", JsonContent.Create(order, ApiJson.Default.DeadLetterOrder), cancellation);
            if (reply.Code != Usage.Done)
                return session.Fail(reply);
            var result = reply.Read(ApiJson.Default.DeadLetterResult);
            session.Done(reply.Body!, console =>
            {
                console.WriteLine($"{result.Changed} {done}");
                foreach (var failed in result.Failed)
                    console.WriteLine($"{failed}: not {done}: it is no dead letter");
            });
            return result.Failed.Count == 0 ? Usage.Done : Usage.Bad;
        });
    }

    private static (Option<string?> Service, Option<string?> Cause) Selection() => (
        new Option<string?>("--service") { Description = "Those of a service", HelpName = "SERVICE" },
        new Option<string?>("--cause") { Description = "Those that were given up for this: expired, poison, credential-expired, undeliverable or dropped", HelpName = "CAUSE" });
}
