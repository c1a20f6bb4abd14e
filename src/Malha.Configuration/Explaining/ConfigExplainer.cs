using Malha.Configuration.Reading.Sections;
using Malha.Configuration.Reading.Shapes;

namespace Malha.Configuration;

/// <summary>The effective configuration: every setting in force with its value and where that comes from. Secrets are not shown.</summary>
public static class ConfigExplainer
{
    /// <summary>All settings in the order of the format's documentation.</summary>
    public static IReadOnlyList<EffectiveSetting> List(MalhaConfig config)
    {
        var settings = new List<EffectiveSetting>();
        FileSection.Section.Explain(config, new Setting("", ""), settings);
        return settings;
    }

    /// <summary>The settings at a path and below it, for example <c>services.payments</c>.</summary>
    public static IReadOnlyList<EffectiveSetting> List(MalhaConfig config, string path) =>
        [.. List(config).Where(setting => setting.Path.StartsWith(path, StringComparison.Ordinal)
            && (setting.Path.Length == path.Length || setting.Path[path.Length] is '.' or '['))];
}
