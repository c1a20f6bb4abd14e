using Malha.Configuration;

namespace Malha.Cli.Commands;

/// <summary>Settings in three columns: path, value and where the value comes from.</summary>
internal static class SettingLines
{
    /// <summary>A longer value pushes only its own origin to the right.</summary>
    private const int WidestValue = 44;

    public static void Write(TextWriter output, IReadOnlyCollection<EffectiveSetting> settings)
    {
        var paths = settings.Select(setting => setting.Path.Length).DefaultIfEmpty().Max();
        var values = settings.Select(setting => setting.Value.Length).Where(length => length <= WidestValue).DefaultIfEmpty().Max();
        foreach (var setting in settings)
            output.WriteLine($"  {setting.Path.PadRight(paths)}  {setting.Value.PadRight(values)}  {setting.Origin}");
    }
}
