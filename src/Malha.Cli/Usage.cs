using System.CommandLine;

namespace Malha.Cli;

/// <summary>Exit codes of all commands, and what is said when a command line makes no sense.</summary>
internal static class Usage
{
    public const int Done = 0;

    /// <summary>The thing asked about is bad.</summary>
    public const int Bad = 1;

    public const int WrongUsage = 2;

    /// <summary>Something that is needed cannot be had: a file, a port, a gateway that answers.</summary>
    public const int CannotReach = 3;

    public static int Wrong(ParseResult parsed)
    {
        // The library would say of a misspelt command that one is missing, and of each word that it is not known.
        if (parsed is { UnmatchedTokens: [var word, ..], CommandResult.Command: { Subcommands.Count: > 0 } command } && !word.StartsWith('-'))
        {
            Console.Error.WriteLine($"malha: there is no command '{word}'{(command is RootCommand ? "" : $" of '{command.Name}'")}; "
                + $"there are: {string.Join(", ", command.Subcommands.Select(one => one.Name))}");
        }
        else
        {
            foreach (var error in parsed.Errors)
                Console.Error.WriteLine($"malha: {error.Message}");
        }
        Console.Error.WriteLine("malha: see malha --help, or malha COMMAND --help");
        return WrongUsage;
    }
}
