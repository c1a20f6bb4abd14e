using System.CommandLine;
using Malha.Configuration;

namespace Malha.Cli.Admin;

/// <summary>An option whose value is a duration as the file writes it.</summary>
internal static class DurationOption
{
    public static Option<TimeSpan?> Build(string name, string description) => new(name)
    {
        Description = description,
        HelpName = "DURATION",
        CustomParser = result =>
        {
            if (Units.ReadDuration(result.Tokens[0].Value, out var duration) is { } problem)
                result.AddError($"{name}: {problem}");
            else if (duration <= TimeSpan.Zero)
                result.AddError($"{name} must be more than 0");
            return duration;
        },
    };
}
