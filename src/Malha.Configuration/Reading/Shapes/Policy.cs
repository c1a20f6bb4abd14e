namespace Malha.Configuration.Reading.Shapes;

/// <summary>
/// What a map says of a policy, on its way into the record around it. That record keeps the policy's own settings, which know of no file, so
/// that the places of their keys go to its own place, each under the map's key (<c>retry.attempts</c>).
/// </summary>
internal abstract record PolicyItem : ConfigItem;

/// <summary>A policy's settings with their place.</summary>
internal sealed record Policy<T>(T Value) : PolicyItem;
