using Malha.Configuration.Reading;

namespace Malha.Tests.Configuration;

public sealed class SuggestionTests
{
    private static readonly string[] Keys = ["timeout", "attemptTimeout", "idleTimeout", "tls", "to", "balance"];

    [Theory]
    [InlineData("", "", 0)]
    [InlineData("abc", "abc", 0)]
    [InlineData("abc", "acb", 1)]
    [InlineData("abc", "ab", 1)]
    [InlineData("abc", "abdc", 1)]
    [InlineData("abc", "xbc", 1)]
    [InlineData("ca", "abc", 3)]
    [InlineData("kitten", "sitting", 3)]
    public void The_distance_counts_slips(string one, string other, int distance)
    {
        Assert.Equal(distance, Suggestion.Distance(one, other));
        Assert.Equal(distance, Suggestion.Distance(other, one));
    }

    [Theory]
    [InlineData("timout", "timeout")]
    [InlineData("tiemout", "timeout")]
    [InlineData("Timeout", "timeout")]
    [InlineData("attempttimeout", "attemptTimeout")]
    [InlineData("attemptTimout", "attemptTimeout")]
    [InlineData("tsl", "tls")]
    [InlineData("balancing", "balance")]
    [InlineData("retries", null)]
    [InlineData("x", null)]
    [InlineData("", null)]
    public void The_nearest_name_is_suggested_when_it_is_near(string written, string? meant) => Assert.Equal(meant, new Suggestion().Nearest(written, Keys));

    [Fact]
    public void A_flood_of_wrong_names_is_not_compared_with_a_flood_of_known_ones()
    {
        string[] known = [.. Enumerable.Range(0, 10_000).Select(i => $"service-number-{i}")];
        var suggestion = new Suggestion();
        for (var i = 0; i < 10_000; i++)
            suggestion.Nearest($"servcie-nummer-{i}", known);
        Assert.Null(suggestion.Nearest("service-number-x", known));
    }
}
