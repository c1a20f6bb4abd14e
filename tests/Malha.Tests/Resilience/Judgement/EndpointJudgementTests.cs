using Malha.Resilience;

namespace Malha.Tests.Resilience;

/// <summary>
/// The decision table of ejection, breaker and active health. An endpoint is written as a few letters: H healthy, U unhealthy, ? unknown; b its breaker is
/// open, e it is ejected, t real traffic succeeds on it, d its check names the database. The result: who is used (1 or 0), and what the service is.
/// </summary>
public sealed class EndpointJudgementTests
{
    [Theory]
    // One endpoint.
    [InlineData("H", "1", ServiceCondition.Available)]
    [InlineData("?", "1", ServiceCondition.Available)]
    [InlineData("Hb", "0", ServiceCondition.Open)]
    [InlineData("He", "1", ServiceCondition.Available)]
    [InlineData("U", "0", ServiceCondition.NobodyHealthy)]
    [InlineData("Ut", "0", ServiceCondition.NobodyHealthy)]
    [InlineData("Ud", "0", ServiceCondition.NobodyHealthy)]
    [InlineData("Ub", "0", ServiceCondition.NobodyHealthy)]
    // Two endpoints.
    [InlineData("H H", "11", ServiceCondition.Available)]
    [InlineData("H He", "10", ServiceCondition.Available)]
    [InlineData("Hb He", "01", ServiceCondition.Available)]
    [InlineData("Hb Heb", "00", ServiceCondition.Open)]
    [InlineData("H Hb", "10", ServiceCondition.Available)]
    [InlineData("Hb Hb", "00", ServiceCondition.Open)]
    [InlineData("H U", "10", ServiceCondition.Available)]
    [InlineData("H Ut", "10", ServiceCondition.Available)]
    [InlineData("Hb U", "00", ServiceCondition.Open)]
    [InlineData("He U", "10", ServiceCondition.Available)]
    [InlineData("U U", "00", ServiceCondition.NobodyHealthy)]
    [InlineData("Ut Ut", "00", ServiceCondition.NobodyHealthy)]
    [InlineData("Ud Ud", "11", ServiceCondition.Available)]
    [InlineData("Ud Udb", "10", ServiceCondition.Available)]
    [InlineData("Ud U", "00", ServiceCondition.NobodyHealthy)]
    // Ten endpoints.
    [InlineData("H H H H H H H H H H", "1111111111", ServiceCondition.Available)]
    [InlineData("H H H H H H H H H He", "1111111110", ServiceCondition.Available)]
    [InlineData("H H H H H H H H H Hb", "1111111110", ServiceCondition.Available)]
    [InlineData("H H H H H U U U U U", "1111100000", ServiceCondition.Available)]
    [InlineData("H H H H H Ut Ut Ut Ut Ut", "1111100000", ServiceCondition.Available)]
    [InlineData("H H H H U U U U U U", "1111000000", ServiceCondition.Available)]
    [InlineData("H H H H Ut Ut U U U Utb", "1111110000", ServiceCondition.Panic)]
    [InlineData("Hb Hb Hb Hb Ut U U U U U", "0000100000", ServiceCondition.Panic)]
    [InlineData("H H H Ud Ud Ud Ud Ud Ud Ud", "1111111111", ServiceCondition.Available)]
    [InlineData("H H H H H Ud Ud Ud Ud Ud", "1111100000", ServiceCondition.Available)]
    [InlineData("Ud Ud Ud Ud Ud Ud Ud Ud Ud Ud", "1111111111", ServiceCondition.Available)]
    [InlineData("U U U U U U U U U U", "0000000000", ServiceCondition.NobodyHealthy)]
    [InlineData("Hb Hb Hb Hb Hb Hb Hb Hb Hb Hb", "0000000000", ServiceCondition.Open)]
    public void Table(string endpoints, string used, ServiceCondition condition)
    {
        var signs = endpoints.Split(' ').Select(Sign).ToArray();
        var usable = new bool[signs.Length];
        var verdict = EndpointJudgement.Decide(signs, usable);
        Assert.Equal(used, string.Concat(usable.Select(u => u ? '1' : '0')));
        Assert.Equal(condition, verdict.Condition);
        Assert.Equal(used.Count(c => c == '1'), verdict.Usable);
        Assert.Equal(verdict.Usable == 0, verdict.IsUnavailable);
    }

    [Fact]
    public void A_common_dependency_is_named()
    {
        var signs = new[] { Sign("Ud"), Sign("Ud"), Sign("H") };
        Assert.Equal("db", EndpointJudgement.Decide(signs, new bool[3]).DegradedBecauseOf);
    }

    [Fact]
    public void No_endpoints_are_no_service() => Assert.Equal(ServiceCondition.Empty, EndpointJudgement.Decide([], []).Condition);

    [Fact]
    public void Whatever_the_signs_an_open_breaker_gets_no_call_and_someone_healthy_with_a_permit_always_does()
    {
        var chance = new Chance(4);
        for (var run = 0; run < 20_000; run++)
        {
            var signs = new EndpointSigns[1 + chance.Next(10)];
            for (var i = 0; i < signs.Length; i++)
            {
                signs[i] = new EndpointSigns
                {
                    Ejected = chance.Next(4) == 0,
                    BreakerPermits = chance.Next(3) > 0,
                    Health = (Health)chance.Next(3),
                    TrafficSucceeds = chance.Next(2) == 0,
                    Dependency = chance.Next(3) == 0 ? "db" : null,
                };
            }

            var usable = new bool[signs.Length];
            var verdict = EndpointJudgement.Decide(signs, usable);
            for (var i = 0; i < signs.Length; i++)
                Assert.False(usable[i] && !signs[i].BreakerPermits);
            if (signs.Any(s => s.BreakerPermits && s.Health != Health.Unhealthy))
                Assert.True(verdict.Usable > 0);
        }
    }

    private static EndpointSigns Sign(string letters) => new()
    {
        Health = letters[0] switch { 'H' => Health.Healthy, 'U' => Health.Unhealthy, _ => Health.Unknown },
        BreakerPermits = !letters.Contains('b', StringComparison.Ordinal),
        Ejected = letters.Contains('e', StringComparison.Ordinal),
        TrafficSucceeds = letters.Contains('t', StringComparison.Ordinal),
        Dependency = letters.Contains('d', StringComparison.Ordinal) ? "db" : null,
    };
}
