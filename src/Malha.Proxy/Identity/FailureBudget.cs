using System.Buffers.Binary;
using Malha.Resilience;

namespace Malha.Proxy.Identity;

/// <summary>
/// How many wrong credentials may come from one address (IPv4 /32, IPv6 /64). Only failures are counted and only failures are refused for it: right
/// credentials of an address that others share are let in whatever those do. What costs more than a look-up asks <see cref="IsSpent"/> before it checks.
/// </summary>
internal sealed class FailureBudget
{
    /// <summary>2 MB; beyond that, newcomers share their budget.</summary>
    private const int AddressesAtMost = 65_536;

    private readonly RateLimitStore _store = new(AddressesAtMost);
    private readonly KeyHash _hash;
    private readonly Gcra _limit;

    public FailureBudget(KeyHash hash)
    {
        _hash = hash;
        var rate = Configuration.Defaults.CredentialFailures.Value;
        _limit = new Gcra(new RateLimitOptions { Limit = rate.Count, Period = rate.Per });
    }

    /// <summary>Whether the address has none left, so that what it presents need not be checked.</summary>
    public bool IsSpent(Ip address, Moment now) => _store.Peek(KeyOf(address), _limit, now).Remaining == 0;

    /// <summary>A credential was wrong: 401, or 429 when that has happened too often.</summary>
    public Refusal Charge(Ip address, Moment now)
    {
        var decision = _store.TryTake(KeyOf(address), _limit, now);
        return decision.Allowed ? new Refusal(RefusalKind.InvalidCredential)
            : new Refusal(RefusalKind.CredentialFailures, Limit: _limit.Burst, Observed: _limit.Burst + 1 - decision.Remaining, Unit: "failures",
                RetryAfterMs: (decision.RetryAfter.Ticks + TimeSpan.TicksPerMillisecond - 1) / TimeSpan.TicksPerMillisecond);
    }

    private ulong KeyOf(Ip address)
    {
        Span<byte> key = stackalloc byte[16];
        BinaryPrimitives.WriteUInt128LittleEndian(key, address.Scope.Bits);
        return _hash.Of(key, 2);
    }
}
