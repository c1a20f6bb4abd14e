using System.Diagnostics.CodeAnalysis;

namespace Malha.Configuration;

/// <summary>What came of reading a configuration: the configuration, or everything that is wrong with it.</summary>
public sealed class ConfigResult
{
    private ConfigResult(MalhaConfig? config, IReadOnlyList<ConfigError> errors, bool isUnreadable)
    {
        Config = config;
        Errors = errors;
        IsUnreadable = isUnreadable;
    }

    /// <summary>The configuration; null when there are errors.</summary>
    public MalhaConfig? Config { get; }

    /// <summary>In the order of the file; empty when all is well.</summary>
    public IReadOnlyList<ConfigError> Errors { get; }

    /// <summary>Whether the file itself could not be read (absent, forbidden), so that nothing is known of its content.</summary>
    public bool IsUnreadable { get; }

    [MemberNotNullWhen(true, nameof(Config))]
    public bool IsGood => Config is not null;

    internal static ConfigResult Good(MalhaConfig config) => new(config, [], isUnreadable: false);

    internal static ConfigResult Bad(IReadOnlyList<ConfigError> errors) => new(null, errors, isUnreadable: false);

    internal static ConfigResult Unreadable(string file, string problem) => new(null, [new ConfigError(file, 0, 0, "", problem)], isUnreadable: true);
}
