namespace Malha.Configuration;

/// <summary>So many in so long: <c>100/s</c>, <c>60/min</c>.</summary>
/// <param name="Count">How many; more than 0.</param>
/// <param name="Per">In how long: a second, a minute or an hour.</param>
public readonly record struct Rate(double Count, TimeSpan Per)
{
    public double PerSecond => Count / Per.TotalSeconds;

    public override string ToString() => Units.Format(this);
}
