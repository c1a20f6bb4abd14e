using System.CommandLine;
using Malha.Configuration;

namespace Malha.Cli.Commands;

/// <summary><c>malha schema</c>: the JSON schema of the configuration, for editors.</summary>
internal static class SchemaCommand
{
    public static Command Build()
    {
        var command = new Command("schema", "Print the JSON schema of malha.yaml, for editors");
        command.SetAction(parsed =>
        {
            parsed.InvocationConfiguration.Output.WriteLine(MalhaSchema.ToJson());
            return Usage.Done;
        });
        return command;
    }
}
