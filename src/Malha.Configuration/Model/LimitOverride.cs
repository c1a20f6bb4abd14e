namespace Malha.Configuration;

/// <summary>What a route says of a limit instead of its service: another value, or none.</summary>
/// <param name="Value">The limit; null: there is none on this route.</param>
public readonly record struct LimitOverride<T>(T? Value) where T : struct;
