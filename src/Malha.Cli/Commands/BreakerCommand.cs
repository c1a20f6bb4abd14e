using System.CommandLine;
using System.Globalization;
using System.Net.Http.Json;
using System.Text.Json;
using Malha.Cli.Admin;
using Malha.Configuration;
using Malha.ControlPlane.Api;
using Malha.ControlPlane.Api.Views;
using Spectre.Console;

namespace Malha.Cli.Commands;

/// <summary><c>malha breaker</c>: the breakers as they are, and an operator's word for them.</summary>
internal static class BreakerCommand
{
    public static Command Build() => new("breaker", "Show the circuit breakers, or set those of a service")
    {
        Word("open", "open", "Refuse every call at once (503)"),
        Word("close", "closed", "Let every call pass; outcomes are counted, but do not open it"),
        Word("auto", "auto", "Take an earlier word back: the rules of the file decide"),
        Word("shadow", "shadow", "Let every call pass, and report what the rules would have done"),
        Word("disable", "disabled", "Let every call pass, and look at nothing"),
        List(),
    };

    private static Command Word(string name, string mode, string description)
    {
        var service = new Argument<string>("SERVICE") { Description = "The service, as the file names it" };
        var endpoint = new Option<string?>("--endpoint") { Description = "Only this one of its endpoints", HelpName = "URL" };
        var command = new Command(name, description) { service, endpoint };
        var lasting = DurationOption.Build("--for", "How long it holds (10m)");
        // What is taken back is taken back for good.
        if (mode != "auto")
            command.Add(lasting);
        return new AdminCommand().On(command, (session, parsed, cancellation) =>
        {
            var order = new BreakerOrder(mode, mode == "auto" ? null : parsed.GetValue(lasting)?.TotalMilliseconds, parsed.GetValue(endpoint));
            return SetAsync(session, parsed.GetValue(service)!, order, cancellation);
        });
    }

    private static Command List()
    {
        var service = new Argument<string?>("SERVICE") { Description = "Only this service", Arity = ArgumentArity.ZeroOrOne };
        return new AdminCommand().On(new Command("list", "Show the breakers") { service }, async (session, parsed, cancellation) =>
        {
            var only = parsed.GetValue(service);
            var path = "/api/v1/breakers" + (only is null ? "" : "?service=" + Uri.EscapeDataString(only));
            var (reply, breakers) = await session.Client.ListAsync(path, ApiJson.Default.PageBreakerView, cancellation);
            if (reply.Code != Usage.Done)
                return session.Fail(reply);
            return session.Done(JsonSerializer.Serialize(new Page<BreakerView>(breakers, null), ApiJson.Default.PageBreakerView), console => Write(console, breakers));
        });
    }

    private static async Task<int> SetAsync(AdminSession session, string service, BreakerOrder order, CancellationToken cancellation)
    {
        var reply = await session.Client.SendAsync(
            HttpMethod.Post, "/api/v1/breakers/" + Uri.EscapeDataString(service), JsonContent.Create(order, ApiJson.Default.BreakerOrder), cancellation);
        return reply.Code != Usage.Done ? session.Fail(reply) : session.Done(reply.Body!, console => Write(console, reply.Read(ApiJson.Default.PageBreakerView).Items));
    }

    private static void Write(IAnsiConsole console, IReadOnlyList<BreakerView> breakers)
    {
        if (breakers.Count == 0)
        {
            console.WriteLine("no breakers: no service has the key breaker, and nobody has set one");
            return;
        }
        var table = AdminSession.Table("service", "endpoint", "state", "mode", "cause", "calls", "failures", "slow");
        foreach (var breaker in breakers)
        {
            table.AddRow(
                new Text(breaker.Service), new Text(breaker.Endpoint), new Text(State(breaker), new Style(Colour(breaker.State))), new Text(Mode(breaker)), new Text(Cause(breaker)),
                new Text(Count(breaker.Calls)), new Text(Count(breaker.Failures)), new Text(Count(breaker.Slow + breaker.Overdue)));
        }
        console.Write(table);
    }

    private static string State(BreakerView breaker) => breaker.OpenLeftMs is { } left ? $"{breaker.State} for {Seconds(left)}"
        : breaker.State == "ramping" ? $"ramping, {Units.FormatShare(breaker.Share)} pass" : breaker.State;

    private static string Mode(BreakerView breaker) => breaker.ModeLeftMs is { } left ? $"{breaker.Mode} for {Seconds(left)}" : breaker.Mode;

    private static string Cause(BreakerView breaker) => breaker.Rule is not { } rule ? ""
        : breaker is { Observed: { } observed, Limit: { } limit } ? string.Create(CultureInfo.InvariantCulture, $"{rule} {observed:0.##} (limit {limit:0.##})") : rule;

    private static Color Colour(string state) => state switch { "open" => Color.Red, "closed" => Color.Green, _ => Color.Yellow };

    private static string Count(long count) => count.ToString(CultureInfo.InvariantCulture);

    private static string Seconds(double milliseconds) => Units.Format(TimeSpan.FromSeconds(Math.Ceiling(milliseconds / 1000)));
}
