using System.CommandLine;
using System.Globalization;
using Malha.Cli.Lab;
using Malha.Lab.Kafka;

namespace Malha.Cli.Commands;

/// <summary><c>malha lab kafka-acks</c>: the one experiment that needs real brokers and real time, and is therefore only run when it is asked for.</summary>
internal static class KafkaAcksCommand
{
    public static Command Build()
    {
        // Constants only: every command's start builds this, and none of them has the lab, let alone Kafka's library, loaded for it.
        var faults = new Option<string?>("--faults") { Description = "Which of A, B, C, C12, D, E, E6 and F, separated by commas (all of them)", HelpName = "NAMES" };
        var rate = new Option<string?>("--rate") { Description = $"Messages a second at each level ({AckOptions.DefaultRate.ToString(CultureInfo.InvariantCulture)})", HelpName = "N" };
        var seconds = new Option<string?>("--seconds") { Description = $"Of load for each fault ({AckOptions.DefaultSeconds.ToString(CultureInfo.InvariantCulture)})", HelpName = "N" };
        var seed = new Option<string?>("--seed") { Description = "The same seed does the same things (1)", HelpName = "N" };
        var report = new Option<string?>("--report") { Description = "Write a page with plots, too", HelpName = "FILE.html" };
        var json = new Option<bool>("--json") { Description = "Print JSON" };
        var command = new Command(KafkaAcksExperiment.Name, "On three real Kafka brokers: what is lost of what was acknowledged, at acks none, leader and all (minutes; needs Java and a Kafka)")
        {
            faults, rate, seconds, seed, report, json,
        };
        command.SetAction(async (parsed, cancellation) =>
        {
            var (output, error) = (parsed.InvocationConfiguration.Output, parsed.InvocationConfiguration.Error);
            var file = parsed.GetValue(report);
            var options = Options(parsed.GetValue(faults), parsed.GetValue(rate), parsed.GetValue(seconds), parsed.GetValue(seed), out var problem);
            problem ??= LabOutput.Unwritable(file);
            if (options is null || problem is not null)
            {
                await error.WriteLineAsync($"malha: {problem}");
                return Usage.WrongUsage;
            }

            return await LabOutput.StoppableAsync(stopping => RunAsync(options, new LabOutput(output, error, parsed.GetValue(json), file), stopping), error, cancellation);
        });
        return command;
    }

    private static async Task<int> RunAsync(AckOptions options, LabOutput to, CancellationToken cancellation)
    {
        var root = Environment.GetEnvironmentVariable("MALHA_ROOT") ?? Directory.GetCurrentDirectory();
        try
        {
            if (await KafkaCluster.MissingAsync(root, cancellation) is { } missing)
                return to.Fail(missing, Usage.CannotReach);
            return to.Write(await KafkaAcksExperiment.RunAsync(root, options, TimeProvider.System, to.Progress, cancellation));
        }
        catch (KafkaClusterException failed)
        {
            return to.Fail(failed.Message, Usage.CannotReach);
        }
    }

    private static AckOptions? Options(string? faults, string? rate, string? seconds, string? seed, out string? problem)
    {
        problem = null;
        var asked = KafkaFault.All;
        if (faults is not null)
        {
            var names = faults.Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries);
            var unknown = names.FirstOrDefault(name => KafkaFault.All.All(fault => fault.Name != name));
            if (unknown is not null || names.Length == 0)
            {
                problem = $"there is no fault \"{unknown}\"; there are: {string.Join(", ", KafkaFault.All.Select(fault => fault.Name))}, for example --faults B,C";
                return null;
            }
            asked = [.. names.Select(name => KafkaFault.All.Single(fault => fault.Name == name))];
        }

        var perSecond = Number(rate, "--rate", AckOptions.DefaultRate, 1, AckOptions.MostRate, ref problem);
        var length = Number(seconds, "--seconds", AckOptions.DefaultSeconds, AckOptions.FewestSeconds, AckOptions.MostSeconds, ref problem);
        var chance = Number(seed, "--seed", 1, 0, ulong.MaxValue, ref problem);
        return problem is null ? new AckOptions(asked, (int)perSecond, (int)length, chance) : null;
    }

    private static ulong Number(string? text, string option, ulong usual, ulong least, ulong most, ref string? problem)
    {
        if (text is null)
            return usual;
        if (ulong.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var number) && number >= least && number <= most)
            return number;
        problem ??= FormattableString.Invariant($"{option} is \"{text}\", but must be a whole number from {least} to {most}");
        return usual;
    }
}
