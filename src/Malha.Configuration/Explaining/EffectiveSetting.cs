namespace Malha.Configuration;

/// <summary>One setting in force.</summary>
/// <param name="Path">The path of its key, for example <c>services.payments.timeout</c>.</param>
/// <param name="Value">Its value as it would be written; secrets are <c>***</c>.</param>
/// <param name="Origin">The place in the file (<c>malha.yaml:12:5</c>), or <c>default</c> with the reason for it.</param>
public sealed record EffectiveSetting(string Path, string Value, string Origin);
