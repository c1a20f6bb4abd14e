namespace Malha.ControlPlane.Api.Views;

/// <summary>The configuration in force.</summary>
/// <param name="Version">Counts from 1 with each configuration that came into force since the start.</param>
/// <param name="File">The file that it was read from; null when the command line says it.</param>
/// <param name="LoadedAt">When it came into force.</param>
/// <param name="LastReload">How the last attempt to change it ended; null before the first.</param>
/// <param name="Settings">The settings in the order of the format, with where each comes from.</param>
public sealed record ConfigView(long Version, string? File, DateTimeOffset LoadedAt, ReloadView? LastReload, Page<SettingView> Settings);

/// <summary>One setting in force.</summary>
/// <param name="Path">The path of its key, such as `services.payments.timeout`.</param>
/// <param name="Value">As it would be written in the file; secrets are `***`.</param>
/// <param name="Origin">Its place in the file (`malha.yaml:12:5`), or `default` with the reason for it.</param>
public sealed record SettingView(string Path, string Value, string Origin);

/// <summary>How an attempt to change the configuration ended.</summary>
/// <param name="At">When.</param>
/// <param name="Good">Whether the file is in force now. If it is not, nothing was changed.</param>
/// <param name="Version">The configuration in force afterwards.</param>
/// <param name="Problems">What is wrong with the file, each with its place.</param>
public sealed record ReloadView(DateTimeOffset At, bool Good, long Version, IReadOnlyList<string> Problems);
