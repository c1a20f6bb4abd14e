namespace Malha.Proxy.Balancing;

/// <summary>
/// Chance for the request path: xorshift64* (Marsaglia 2003, Vigna 2016). A struct of one word that whoever uses it keeps for itself, so that threads share
/// nothing. Not for secrets.
/// </summary>
internal struct Xorshift(ulong seed)
{
    // A state of zero would stay zero.
    private ulong _state = seed == 0 ? 0x9E3779B97F4A7C15 : seed;

    public ulong NextBits()
    {
        _state ^= _state >> 12;
        _state ^= _state << 25;
        _state ^= _state >> 27;
        return _state * 0x2545F4914F6CDD1D;
    }

    /// <summary>Evenly distributed in [0, 1).</summary>
    public double NextDouble() => (NextBits() >> 11) * (1.0 / (1UL << 53));

    /// <summary>Evenly distributed in [0, <paramref name="limit"/>), up to a bias below 2^-32.</summary>
    public int Next(int limit) => (int)(((NextBits() >> 32) * (ulong)limit) >> 32);
}
