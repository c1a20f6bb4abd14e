namespace Malha.Configuration;

/// <summary>An amount that is written as a size (<c>512MiB</c>) or as a share of all there is (<c>75%</c>).</summary>
/// <param name="Bytes">The size in bytes; 0 for a share.</param>
/// <param name="Share">The share, above 0 and at most 1; 0 for a size.</param>
public readonly record struct SizeOrShare(long Bytes, double Share)
{
    /// <summary>The amount in bytes.</summary>
    /// <param name="total">All there is, in bytes.</param>
    public long Of(long total) => Bytes > 0 ? Bytes : (long)(total * Share);

    /// <summary>As it is written.</summary>
    public override string ToString() => Bytes > 0 ? Units.FormatSize(Bytes) : Units.FormatShare(Share);
}
