using System.CommandLine;
using System.Text.Json;
using System.Text.Json.Nodes;
using Spectre.Console;

namespace Malha.Cli.Admin;

/// <summary>What all commands that ask a running gateway have in common: its address, JSON or words, and how failures end.</summary>
internal sealed class AdminCommand
{
    /// <summary>Lines are as long as they are: a table whose cells were broken to fit a narrow terminal could be neither read nor copied from.</summary>
    private const int NoEdge = 1000;

    private static readonly JsonSerializerOptions Indented = new() { WriteIndented = true };

    private readonly Option<string?> _admin = new("--admin") { Description = "The gateway's admin API (MALHA_ADMIN, or the one that runs here)", HelpName = "ADDRESS:PORT" };
    private readonly Option<bool> _json = new("--json") { Description = "Print JSON" };

    /// <summary>Adds the options and the action to a command.</summary>
    public Command On(Command command, Func<AdminSession, ParseResult, CancellationToken, Task<int>> run)
    {
        command.Add(_admin);
        command.Add(_json);
        command.SetAction(async (parsed, cancellation) =>
        {
            var error = parsed.InvocationConfiguration.Error;
            var found = await AdminAddress.FindAsync(
                parsed.GetValue(_admin), Environment.GetEnvironmentVariable, AdminClient.AnswersAsync, problem => error.WriteLine($"malha: {problem}"));
            if (found is null)
                return Usage.WrongUsage;
            using var client = new AdminClient(found);
            return await run(new AdminSession(client, parsed.GetValue(_json), parsed.InvocationConfiguration.Output, error), parsed, cancellation);
        });
        return command;
    }

    /// <summary>JSON as people read it.</summary>
    public static string Indent(string json) => JsonNode.Parse(json)!.ToJsonString(Indented);

    /// <summary>Colours only where there is a terminal.</summary>
    /// <param name="output">Where it writes.</param>
    /// <param name="isRedrawn">What is drawn over itself must know how many lines it took, and keeps within the terminal's edge.</param>
    public static IAnsiConsole Console(TextWriter output, bool isRedrawn = false)
    {
        var settings = System.Console.IsOutputRedirected
            ? new AnsiConsoleSettings { Out = new AnsiConsoleOutput(new TrimmedLines(output)), Ansi = AnsiSupport.No, ColorSystem = ColorSystemSupport.NoColors }
            : new AnsiConsoleSettings { Out = new AnsiConsoleOutput(output) };
        var console = AnsiConsole.Create(settings);
        if (!isRedrawn)
            console.Profile.Width = NoEdge;
        return console;
    }
}

/// <summary>One run of a command: whom it asks and how it answers.</summary>
internal sealed class AdminSession(AdminClient client, bool json, TextWriter output, TextWriter error)
{
    public AdminClient Client => client;

    public bool IsJson => json;

    /// <summary>For words; nothing is written to it when JSON is asked for.</summary>
    public IAnsiConsole Console { get; } = AdminCommand.Console(output);

    /// <summary>For what is drawn over itself.</summary>
    public IAnsiConsole Screen() => AdminCommand.Console(output, isRedrawn: true);

    /// <summary>Ends with what went wrong.</summary>
    public int Fail(AdminReply reply, string? advice = null)
    {
        if (json && reply.Body is not null)
            output.WriteLine(AdminCommand.Indent(reply.Body));
        else
            error.WriteLine($"malha: {reply.Problem}{(advice is null ? "" : "\n       " + advice)}");
        return reply.Code;
    }

    /// <summary>The question makes no sense to the gateway that answers it.</summary>
    public int Fail(string problem)
    {
        error.WriteLine($"malha: {problem}");
        return Usage.Bad;
    }

    /// <summary>Ends with the answer: as JSON, or in words.</summary>
    public int Done(string body, Action<IAnsiConsole> words)
    {
        if (json)
            output.WriteLine(AdminCommand.Indent(body));
        else
            words(Console);
        return Usage.Done;
    }

    /// <summary>A table without lines, aligned; its cells are text, not markup.</summary>
    public static Table Table(params string[] columns)
    {
        var table = new Table().NoBorder();
        foreach (var column in columns)
            table.AddColumn(new TableColumn(new Text(column, new Style(decoration: Decoration.Dim))).PadLeft(0).PadRight(2));
        return table;
    }
}
