using System.Security.Cryptography;
using System.Text;
using Malha.Proxy.Http1;
using Malha.Resilience;

namespace Malha.Proxy.Identity;

/// <summary>
/// The values of one header field that say who calls. A value is found by a hash under a secret of the process, which tells somebody who guesses nothing
/// about how near he is; a credential that was found is then compared by its SHA-256, which is all that is kept of it here, in a time that does not depend on it.
/// A value that has passed is known again by a second hash under the secret: 128 bits in all, at a tenth of the cost.
/// </summary>
internal sealed class CredentialTable
{
    /// <summary>The request has no such field.</summary>
    public const int Absent = -1;

    /// <summary>It has one with a value that is nobody's, or more than one.</summary>
    public const int Unknown = -2;

    private readonly KeyHash _hash;
    private readonly int _space;
    private readonly Dictionary<ulong, Entry> _entries;
    private readonly int _longest;

    /// <param name="name">The field's name.</param>
    /// <param name="isCredential">Whether its value is a secret; a label else, which anybody may use and nobody is refused for.</param>
    /// <param name="values">The values and whose they are; each once.</param>
    /// <param name="hash">Under a secret of the process.</param>
    public CredentialTable(string name, bool isCredential, IReadOnlyCollection<(string Value, int Owner)> values, KeyHash hash)
    {
        Name = Encoding.ASCII.GetBytes(name);
        Known = KnownHeaders.Find(Name);
        IsCredential = isCredential;
        _hash = hash;
        _longest = values.Max(one => one.Value.Length);
        Dictionary<ulong, Entry>? entries;
        // Two values may have one hash, if hardly ever; not under another space too.
        while (!TryFill(values, _space, out entries))
            _space++;
        _entries = entries;
    }

    public byte[] Name { get; }

    public KnownHeader Known { get; }

    public bool IsCredential { get; }

    /// <summary>Whose value the request has; <see cref="Absent"/> or <see cref="Unknown"/> when it is nobody's.</summary>
    public int Find(RequestHead head)
    {
        if (!head.Has(Known))
            return Absent;
        var found = Absent;
        foreach (ref readonly var field in head.Fields)
        {
            if (field.Known != Known || (Known == KnownHeader.Other && !HttpSyntax.EqualsIgnoreCase(head.Bytes(field.Name), Name)))
                continue;
            // Of two values it would be anybody's choice which one counts.
            if (found != Absent)
                return Unknown;
            found = Find(head.Bytes(field.Value));
        }
        return found;
    }

    private int Find(ReadOnlySpan<byte> value)
    {
        if (value.Length > _longest || !_entries.TryGetValue(_hash.Of(value, _space), out var entry))
            return Unknown;
        if (!IsCredential)
            return value.SequenceEqual(entry.Proof) ? entry.Owner : Unknown;
        var print = _hash.Of(value, ~_space);
        if (entry.IsKnown(print))
            return entry.Owner;
        Span<byte> digest = stackalloc byte[SHA256.HashSizeInBytes];
        SHA256.HashData(value, digest);
        if (!CryptographicOperations.FixedTimeEquals(digest, entry.Proof))
            return Unknown;
        entry.Remember(print);
        return entry.Owner;
    }

    private bool TryFill(IReadOnlyCollection<(string Value, int Owner)> values, int space, out Dictionary<ulong, Entry> entries)
    {
        entries = new Dictionary<ulong, Entry>(values.Count);
        foreach (var (text, owner) in values)
        {
            var value = Encoding.UTF8.GetBytes(text);
            if (!entries.TryAdd(_hash.Of(value, space), new Entry(IsCredential ? SHA256.HashData(value) : value, owner)))
                return false;
        }
        return true;
    }

    /// <param name="proof">The digest of a credential, a label itself.</param>
    /// <param name="owner">Whose it is.</param>
    private sealed class Entry(byte[] proof, int owner)
    {
        // 0: none has passed yet. One in 2^64 hashes is 0, and is then compared by its digest each time.
        private ulong _passed;

        public byte[] Proof => proof;

        public int Owner => owner;

        public bool IsKnown(ulong print) => print != 0 && Volatile.Read(ref _passed) == print;

        public void Remember(ulong print) => Volatile.Write(ref _passed, print);
    }
}
