using System.CommandLine;

namespace Malha.Cli;

/// <summary>The argument FILE. A misspelt option would be taken for it and then not be found; it is told as what it is.</summary>
internal static class FileArgument
{
    public const string Default = "malha.yaml";

    public static Argument<string?> Build()
    {
        var file = new Argument<string?>("FILE") { Description = $"The configuration (./{Default})", Arity = ArgumentArity.ZeroOrOne };
        file.Validators.Add(result =>
        {
            if (result.Tokens is [{ Value: var name }] && (name.Length == 0 || name.StartsWith('-')))
                result.AddError($"'{name}' is neither an option nor a file; a file of such a name is ./{name}");
        });
        return file;
    }
}
