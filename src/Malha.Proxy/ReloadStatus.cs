namespace Malha.Proxy;

/// <summary>How the last attempt to change the configuration ended.</summary>
/// <param name="At">When.</param>
/// <param name="Version">The configuration in force afterwards.</param>
/// <param name="Problems">Why nothing was changed; empty when it was.</param>
internal sealed record ReloadStatus(DateTimeOffset At, long Version, IReadOnlyList<string> Problems)
{
    public bool IsGood => Problems.Count == 0;
}
