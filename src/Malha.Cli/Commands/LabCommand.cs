using System.CommandLine;
using System.Globalization;
using Malha.Cli.Admin;
using Malha.Cli.Lab;
using Malha.Configuration.Reading;
using Malha.Lab;
using Malha.Lab.Kafka;
using Malha.Lab.Reports;
using Malha.Lab.Running;
using Spectre.Console;

namespace Malha.Cli.Commands;

/// <summary><c>malha lab</c>: experiments in virtual time, on the terminal, as JSON or as a page.</summary>
internal static class LabCommand
{
    private const ulong DefaultSeed = 1;

    public static Command Build()
    {
        var experiment = new Argument<string?>("EXPERIMENT") { Description = "Which one; all that run in virtual time unless given", Arity = ArgumentArity.ZeroOrOne };
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

            return RunAsync(request, new LabOutput(output, error, parsed.GetValue(json), request.Report), error, cancellation);
        });
        command.Subcommands.Add(KafkaAcksCommand.Build());
        return command;
    }

    private static LabRequest? Request(string? name, string? seedText, string? report, out string? problem)
    {
        problem = null;
        var asked = Experiments.All.Where(one => name is null || one.Name == name).ToList();
        if (asked.Count == 0)
        {
            var names = Experiments.All.Select(one => one.Name).Append(KafkaAcksExperiment.Name).ToList();
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

        problem = LabOutput.Unwritable(report);
        return problem is null ? new LabRequest(asked, name, seed, report) : null;
    }

    private static int List(TextWriter output, bool json)
    {
        if (json)
        {
            output.WriteLine(LabJson.List([.. Experiments.All.Select(one => (one.Name, one.Title)), (KafkaAcksExperiment.Name, KafkaAcksExperiment.Title)]));
            return Usage.Done;
        }

        var table = AdminSession.Table("experiment", "what it shows");
        foreach (var one in Experiments.All)
            table.AddRow(one.Name, one.Title);
        table.AddRow(KafkaAcksExperiment.Name, KafkaAcksExperiment.Title + " (on real brokers; only when it is asked for)");
        AdminCommand.Console(output).Write(table);
        return Usage.Done;
    }

    private static Task<int> RunAsync(LabRequest request, LabOutput to, TextWriter error, CancellationToken cancellation) => LabOutput.StoppableAsync(async stopping =>
    {
        var run = new LabRun(request.Experiments, request.Seed);
        var working = Task.Run(() => run.Run(Environment.ProcessorCount, stopping), CancellationToken.None);
        return to.Write(await LabProgress.WatchAsync(run, working, TimeProvider.System) with { Asked = request.Asked });
    }, error, cancellation);

    private sealed record LabRequest(IReadOnlyList<Experiment> Experiments, string? Asked, ulong Seed, string? Report);
}
