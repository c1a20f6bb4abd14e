namespace Malha.Configuration;

/// <summary>What a route says of a policy instead of its service: other settings, as a whole, or none at all.</summary>
/// <param name="Value">The settings; null: the policy is off for this route.</param>
public sealed record PolicyOverride<T>(T? Value) where T : class;
