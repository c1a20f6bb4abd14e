using Malha.Configuration.Reading.Yaml;

namespace Malha.Configuration.Reading;

/// <summary>What all shapes and sections share during one reading.</summary>
internal sealed class BindContext(string file, SecretSource secrets)
{
    public string File { get; } = file;

    public ErrorList Errors { get; } = new(file);

    public SecretSource Secrets { get; } = secrets;

    public Suggestion Suggestion { get; } = new();

    public void Error(YamlNode node, in KeyPath path, string problem, string? suggestion = null, string? allowed = null) =>
        Errors.Add(node.Line, node.Column, path.Text, problem, suggestion, allowed);

    /// <summary>For a value of the wrong kind: text where a map is expected, and so on.</summary>
    public void WrongKind(YamlNode node, in KeyPath path, string allowed) =>
        Error(node, path, node is YamlText { IsNull: true } ? "has no value" : $"is {node.KindName}", allowed: allowed);
}
