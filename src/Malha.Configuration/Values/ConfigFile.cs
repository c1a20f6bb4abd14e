namespace Malha.Configuration;

/// <summary>
/// A file that the configuration points to with <c>file:PATH</c>. Its digest is part of its equality, so that a reload sees a renewed
/// certificate under the old name.
/// </summary>
/// <param name="Path">The absolute path.</param>
/// <param name="Sha256">The digest of the content when the configuration was read, in hexadecimal.</param>
public sealed record ConfigFile(string Path, string Sha256);
