namespace Malha.Configuration;

/// <summary>A part of the configuration that knows its place in the file. The place is not part of its equality.</summary>
public abstract record ConfigItem
{
    public SourceSpan Source { get; init; } = SourceSpan.None;

    /// <summary>The same item at a place.</summary>
    internal ConfigItem At(SourceSpan source) => this with { Source = source };
}
