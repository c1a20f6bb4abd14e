using System.Diagnostics;
using System.Security.Cryptography;
using System.Text;

namespace Malha.Configuration;

/// <summary>
/// A value that must not be seen: it prints as <c>***</c> everywhere, and only <see cref="Reveal"/> gives it away.
/// </summary>
[DebuggerDisplay("***")]
public sealed class Secret : IEquatable<Secret>
{
    private readonly string _value;

    public Secret(string value, string origin)
    {
        ArgumentException.ThrowIfNullOrEmpty(value);
        _value = value;
        Origin = origin;
    }

    /// <summary>Where it came from, as the file says it: <c>env:NAME</c> or <c>file:PATH</c>.</summary>
    public string Origin { get; }

    /// <summary>The value itself. Never log or answer it.</summary>
    public string Reveal() => _value;

    /// <summary>Whether what a caller presents is the secret; takes as long for a near miss as for a far one.</summary>
    public bool Matches(ReadOnlySpan<char> presented)
    {
        // Hashes first: the comparison then takes the same time whatever the two lengths are.
        Span<byte> mine = stackalloc byte[SHA256.HashSizeInBytes];
        Span<byte> theirs = stackalloc byte[SHA256.HashSizeInBytes];
        SHA256.HashData(Encoding.UTF8.GetBytes(_value), mine);
        SHA256.HashData(Encoding.UTF8.GetBytes(presented.ToArray()), theirs);
        return CryptographicOperations.FixedTimeEquals(mine, theirs);
    }

    public bool Equals(Secret? other) => other is not null && Matches(other._value);

    public override bool Equals(object? obj) => Equals(obj as Secret);

    public override int GetHashCode() => string.GetHashCode(_value, StringComparison.Ordinal);

    public override string ToString() => "***";
}
