using CsCheck;
using Malha.Resilience;

namespace Malha.Tests.Resilience;

public sealed class BackoffTests
{
    private const string Seed = "0N0XIzNsQ0O2";
    private static readonly RetryOptions Options = new() { Base = At.Ms(50), Max = At.S(2) };

    [Theory]
    [InlineData(BackoffKind.None, new[] { 0, 0, 0 })]
    [InlineData(BackoffKind.Linear, new[] { 50, 100, 150 })]
    [InlineData(BackoffKind.Exponential, new[] { 100, 200, 400, 800, 1600, 2000, 2000 })]
    public void Fixed_kinds_follow_their_formula(BackoffKind kind, int[] expectedMs)
    {
        var delays = Enumerable.Range(1, expectedMs.Length).Select(n => Backoff.Delay(kind, n, default, Options, new Chance(1)).TotalMilliseconds);
        Assert.Equal(expectedMs.Select(ms => (double)ms), delays);
    }

    [Fact]
    public void Any_retry_of_any_kind_stays_within_its_bounds()
    {
        var input = Gen.Select(Gen.Enum<BackoffKind>(), Gen.Int[1, 200], Gen.Int[1, 100_000], Gen.Int[0, 100_000], Gen.ULong);
        input.Sample(
            (kind, retry, baseMs, moreMs, seed) =>
            {
                var options = new RetryOptions { Base = At.Ms(baseMs), Max = At.Ms(baseMs + moreMs) };
                var delay = Backoff.Delay(kind, retry, At.Ms(baseMs), options, new Chance(seed));
                var expo = Backoff.Delay(BackoffKind.Exponential, retry, default, options, new Chance(seed));
                return delay >= TimeSpan.Zero && delay <= options.Max && expo >= options.Base && kind switch
                {
                    BackoffKind.ExponentialJitter => delay <= expo,
                    BackoffKind.EqualJitter => delay >= expo / 2 && delay <= expo,
                    BackoffKind.DecorrelatedJitter => delay >= options.Base || delay == options.Max,
                    _ => true,
                };
            },
            seed: Seed,
            iter: 20_000);
    }

    [Fact]
    public void Full_jitter_at_the_cap_is_still_even_from_zero()
    {
        var chance = new Chance(3);
        var delays = Enumerable.Range(0, 20_000).Select(_ => Backoff.Delay(BackoffKind.ExponentialJitter, 50, default, Options, chance).TotalMilliseconds).ToList();
        Assert.InRange(delays.Average(), 985, 1015);
        Assert.InRange(delays.Count(delay => delay < 200), 1_850, 2_150);
        Assert.InRange(delays.Count(delay => delay >= 1_800), 1_850, 2_150);
    }

    [Theory]
    [InlineData(null, 100)]
    [InlineData(50, 100)]
    [InlineData(3_000, 3_000)]
    [InlineData(60_000, 5_100)]
    public void Retry_after_is_clamped_between_the_computed_delay_and_five_seconds_more(int? retryAfterMs, int expectedMs)
    {
        TimeSpan? asked = retryAfterMs is { } ms ? At.Ms(ms) : null;
        Assert.Equal(At.Ms(expectedMs), Backoff.Honour(At.Ms(100), asked, Options));
    }

    [Fact]
    public void All_errors_of_the_options_come_at_once()
    {
        var errors = new RetryOptions { Attempts = 0, Base = TimeSpan.Zero, Max = At.S(-1), RetryAfterAllowance = At.S(-1), Backoff = (BackoffKind)9 }.Validate();
        Assert.Equal(["Attempts", "Backoff", "Base", "Max", "RetryAfterAllowance"], errors.Select(error => error.Option));
        Assert.Empty(new RetryOptions().Validate());
    }
}
