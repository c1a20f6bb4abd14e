using System.Buffers.Binary;
using System.Numerics;
using System.Runtime.CompilerServices;
using System.Text;
using Malha.Configuration;
using Malha.Proxy.Identity;
using Malha.Proxy.Sharing;
using Malha.Proxy.Transport;
using Malha.Resilience;

namespace Malha.Proxy.RateLimiting;

/// <summary>
/// Asks the limits of a request (GCRA, one word for each limit and client or address) and keeps their words, for as long as the process lives: a reload
/// that keeps a client and its limit keeps what has been used of it.
/// </summary>
internal sealed class RateLimiter(KeyHash hash, RateLimitStore store)
{
    /// <summary>As many as the configuration takes for one client.</summary>
    private const int LimitsAtMost = 8;

    /// <summary>2⁶⁴ over the golden ratio, as Fibonacci hashing multiplies by.</summary>
    private const ulong MixOdd = 0x9E3779B97F4A7C15;

    private SharedLimits? _shared;

    public RateLimitStore Store => store;

    /// <summary>Where limits are counted together with other gateways; null: each counts its own.</summary>
    public SharedLimits? Shared
    {
        get => Volatile.Read(ref _shared);
        set => Volatile.Write(ref _shared, value);
    }

    /// <summary>What tells limits and clients apart in the store: the hash of a name under the process's secret.</summary>
    public ulong IdOf(string name) => hash.Of(Encoding.UTF8.GetBytes(name));

    /// <summary>Takes the request's cost from all of the limits or, when one refuses, from none.</summary>
    /// <param name="limits">At least one.</param>
    /// <param name="client">Who calls, as <see cref="IdOf"/> has it; 0 for nobody known.</param>
    /// <param name="caller">Where what was found goes.</param>
    /// <param name="now">The request's arrival.</param>
    public Refusal Take(LimitSet limits, ulong client, Caller caller, Moment now)
    {
        caller.Limits = limits;
        if (Shared is { AsksEachTime: true, IsUp: true })
        {
            caller.IsLimitOwed = true;
            return Refusal.None;
        }
        return TakeHere(limits, client, caller, now);
    }

    /// <summary>Takes what <see cref="Take"/> left to be asked of the store.</summary>
    [AsyncMethodBuilder(typeof(PooledAsyncMethodBuilder<>))]
    public async ValueTask<Refusal> TakeSharedAsync(LimitSet limits, ulong client, Caller caller, Moment now)
    {
        caller.IsLimitOwed = false;
        if (Shared is not { } shared || await shared.AskAsync(limits, caller) is not { } decision)
            return TakeHere(limits, client, caller, now);
        caller.Limit = limits.Limits[decision.Index];
        return decision.Allowed ? Allow(caller, decision) : Refuse(caller.Limit, caller, decision);
    }

    /// <summary>What is left of a limit, with nothing taken; of one that counts addresses apart, nobody can say.</summary>
    public RateLimitDecision? Peek(LimitModel limit, ulong client, Moment now) =>
        limit.Config.Per == LimitScope.Ip ? null
            : Shared is { IsUp: true } shared ? shared.Peek(KeyOf(limit, client, default), limit, now)
            : store.Peek(KeyOf(limit, client, default), limit.PartOf(Shared?.Gateways ?? 1), now);

    private Refusal TakeHere(LimitSet limits, ulong client, Caller caller, Moment now)
    {
        Span<ulong> keys = stackalloc ulong[LimitsAtMost];
        // What was taken goes back to where it came from, whatever has become of the store meanwhile.
        Span<bool> leased = stackalloc bool[LimitsAtMost];
        var shared = Shared;
        var (hurries, isAlone) = (false, false);
        RateLimitDecision tightest = default;
        for (var index = 0; index < limits.Limits.Length; index++)
        {
            var limit = limits.Limits[index];
            keys[index] = KeyOf(limit, client, caller.Address);
            var lease = shared?.LeaseOf(keys[index], limit, caller, now);
            leased[index] = lease is not null;
            isAlone |= shared is not null && lease is null;
            var decision = lease is null ? store.TryTake(keys[index], limit.PartOf(shared?.Gateways ?? 1), now, limit.Config.Cost)
                : lease.TryTake(limit.Gcra, now, limit.Config.Cost, ref hurries);
            if (!decision.Allowed)
            {
                for (var taken = 0; taken < index; taken++)
                    GiveBack(shared, keys[taken], limits.Limits[taken], leased[taken]);
                shared?.Judged(hurries, isAlone);
                return Refuse(limit, caller, decision);
            }
            if (index == 0 || decision.Remaining < tightest.Remaining)
            {
                tightest = decision;
                caller.Limit = limit;
            }
        }

        shared?.Judged(hurries, isAlone);
        return Allow(caller, tightest);
    }

    private void GiveBack(SharedLimits? shared, ulong key, LimitModel limit, bool isLeased)
    {
        if (isLeased)
            shared!.GiveBack(key, limit.Config.Cost);
        else
            store.GiveBack(key, limit.PartOf(shared?.Gateways ?? 1), limit.Config.Cost);
    }

    private static Refusal Allow(Caller caller, in RateLimitDecision tightest)
    {
        caller.Remaining = tightest.Remaining;
        caller.ResetSeconds = WholeSeconds(tightest.Remaining == 0 ? caller.Limit!.NextAfter(tightest) : tightest.ResetAfter);
        return Refusal.None;
    }

    private static Refusal Refuse(LimitModel limit, Caller caller, in RateLimitDecision decision)
    {
        // In whole milliseconds, rounded up: whoever waits as told is let in.
        var retryAfterMs = (decision.RetryAfter.Ticks + TimeSpan.TicksPerMillisecond - 1) / TimeSpan.TicksPerMillisecond;
        caller.Limit = limit;
        caller.Remaining = decision.Remaining;
        caller.ResetSeconds = (retryAfterMs + 999) / 1000;
        var observed = limit.Gcra.Burst - decision.Remaining + limit.Config.Cost;
        return new Refusal(RefusalKind.RateLimited, Rule: limit.Rule, Limit: limit.Gcra.Burst, Observed: observed, Unit: LimitModel.Unit,
            RetryAfterMs: retryAfterMs, Detail: limit.Detail);
    }

    private static long WholeSeconds(TimeSpan time) => (time.Ticks + TimeSpan.TicksPerSecond - 1) / TimeSpan.TicksPerSecond;

    private ulong KeyOf(LimitModel limit, ulong client, Ip address)
    {
        // Both are hashes under the secret already: nobody can choose them, and mixing them is enough. An address is the caller's to choose.
        if (limit.Config.Per != LimitScope.Ip)
            return limit.Id ^ (BitOperations.RotateLeft(client, 32) * MixOdd);
        Span<byte> key = stackalloc byte[32];
        BinaryPrimitives.WriteUInt64LittleEndian(key, limit.Id);
        BinaryPrimitives.WriteUInt64LittleEndian(key[8..], client);
        BinaryPrimitives.WriteUInt128LittleEndian(key[16..], address.Scope.Bits);
        return hash.Of(key, 1);
    }
}
