namespace Malha.Configuration;

/// <summary>The admin API with metrics and dashboard.</summary>
public sealed record AdminConfig : ConfigItem
{
    public ListenAddress Address { get; init; } = Defaults.AdminAddress.Value;

    /// <summary>What a caller that changes something presents; null: the token that is made at start.</summary>
    public Secret? Token { get; init; }

    /// <summary>Values of <c>Host</c> that are answered beside the loopback names, in lower case and without port.</summary>
    public ConfigList<string> AllowedHosts { get; init; } = [];
}
