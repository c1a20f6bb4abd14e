namespace Malha.Configuration;

/// <summary>A duration and the longest that it may become: <c>5s..5m</c>.</summary>
/// <param name="First">More than 0.</param>
/// <param name="Longest">Not shorter than <paramref name="First"/>.</param>
public readonly record struct DurationRange(TimeSpan First, TimeSpan Longest)
{
    public override string ToString() => $"{Units.Format(First)}..{Units.Format(Longest)}";
}
