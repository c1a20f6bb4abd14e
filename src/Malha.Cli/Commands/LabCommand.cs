using System.CommandLine;
using System.Globalization;
using System.Runtime.InteropServices;
using Malha.Cli.Admin;
using Malha.Cli.Lab;
using Malha.Configuration.Reading;
using Malha.Lab;
using Malha.Lab.Reports;
using Malha.Lab.Reports.Html;
using Malha.Lab.Running;
using Spectre.Console;

namespace Malha.Cli.Commands;

/// <summary><c>malha lab</c>: experiments in virtual time, on the terminal, as JSON or as a page.</summary>
internal static class LabCommand
{
    private const ulong DefaultSeed = 1;

    public static Command Build()
    {
        var experiment = new Argument<string?>("EXPERIMENT") { Description = "Which one; all of them unless given", Arity = ArgumentArity.ZeroOrOne };
        // As text: what is wrong with a seed is said in our own words.
        var seed = new Option<string?>("--seed") { Description = "The same seed gives the same figures (1)", HelpName = "N" };
        var report = new Option<string?>("--report") { Description = "Write a page with plots, too", HelpName = "FILE.html" };
        var json = new Option<bool>("--json") { Description = "Print JSON" };
        var list = new Option<bool>("--list") { Description = "List the experiments" };
        var command = new Command("lab", "Experiments in virtual time: what goes wrong without each policy, and what becomes of it with Malha") { experiment, seed, report, json, list };
        command.SetAction((parsed, cancellation) =>
        {
            var (output, error) = (parsed.InvocationConfiguration.Output, parsed.InvocationConfiguration.Error);
            if (parsed.GetValue(list))
                return Task.FromResult(List(output, parsed.GetValue(json)));
            if (Request(parsed.GetValue(experiment), parsed.GetValue(seed), parsed.GetValue(report), out var problem) is not { } request)
            {
                error.WriteLine($"malha: {problem}");
                return Task.FromResult(Usage.WrongUsage);
            }

            return RunAsync(request, parsed.GetValue(json), output, error, cancellation);
        });
        return command;
    }

    private static LabRequest? Request(string? name, string? seedText, string? report, out string? problem)
    {
        problem = null;
        var asked = Experiments.All.Where(one => name is null || one.Name == name).ToList();
        if (asked.Count == 0)
        {
            var names = Experiments.All.Select(one => one.Name).ToList();
            var near = new Suggestion().Nearest(name!, names);
            problem = $"there is no experiment \"{name}\"{(near is null ? "" : $"; did you mean \"{near}\"?")} There are: {string.Join(", ", names)}";
            return null;
        }

        var seed = DefaultSeed;
        if (seedText is not null && !ulong.TryParse(seedText, NumberStyles.None, CultureInfo.InvariantCulture, out seed))
        {
            problem = $"\"{seedText}\" is no seed: a seed is a whole number from 0 to {ulong.MaxValue.ToString(CultureInfo.InvariantCulture)}, for example --seed 7";
            return null;
        }

        // Before the minute of work, not after it.
        if (report is not null && Path.GetDirectoryName(Path.GetFullPath(report)) is { } folder && !Directory.Exists(folder))
        {
            problem = $"the report cannot be written: there is no folder {folder}";
            return null;
        }

        return new LabRequest(asked, name, seed, report);
    }

    private static int List(TextWriter output, bool json)
    {
        if (json)
        {
            output.WriteLine(LabJson.List(Experiments.All));
            return Usage.Done;
        }

        var table = AdminSession.Table("experiment", "what it shows");
        foreach (var one in Experiments.All)
            table.AddRow(one.Name, one.Title);
        AdminCommand.Console(output).Write(table);
        return Usage.Done;
    }

    private static async Task<int> RunAsync(LabRequest request, bool json, TextWriter output, TextWriter error, CancellationToken cancellation)
    {
        using var stopping = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        void Stop(PosixSignalContext context)
        {
            context.Cancel = true;
            stopping.Cancel();
        }

        using var interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, Stop);
        using var terminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, Stop);
        LabReport found;
        try
        {
            var run = new LabRun(request.Experiments, request.Seed);
            var working = Task.Run(() => run.Run(Environment.ProcessorCount, stopping.Token), CancellationToken.None);
            found = await LabProgress.WatchAsync(run, working, TimeProvider.System) with { Asked = request.Asked };
        }
        catch (OperationCanceledException) when (stopping.IsCancellationRequested)
        {
            error.WriteLine("malha: stopped before the experiments were done");
            return Usage.Bad;
        }

        if (json)
            output.WriteLine(LabJson.Write(found));
        else
            // Long cells are broken to fit a terminal: there is nothing in them to copy.
            LabText.Write(found, AdminCommand.Console(output, isRedrawn: !Console.IsOutputRedirected));
        return request.Report is { } file && Save(found, file, json, output, error) is { } failed ? failed : found.Passed ? Usage.Done : Usage.Bad;
    }

    /// <summary>Null when it is written.</summary>
    private static int? Save(LabReport found, string file, bool json, TextWriter output, TextWriter error)
    {
        try
        {
            File.WriteAllText(file, HtmlReport.Write(found));
        }
        catch (Exception problem) when (problem is IOException or UnauthorizedAccessException)
        {
            error.WriteLine($"malha: the report cannot be written: {problem.Message}");
            return Usage.CannotReach;
        }

        if (!json)
            output.WriteLine($"report: {file}");
        return null;
    }

    private sealed record LabRequest(IReadOnlyList<Experiment> Experiments, string? Asked, ulong Seed, string? Report);
}
