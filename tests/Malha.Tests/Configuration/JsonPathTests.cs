using System.Text.Json;
using Malha.Configuration;

namespace Malha.Tests.Configuration;

public sealed class JsonPathTests
{
    private const string Document = """{"status":"Healthy","a":{"b c":[1,{"d":null}],"x-y":2,"]":3},"n":[[7]]}""";

    [Theory]
    [InlineData("$", Document)]
    [InlineData("$.status", "\"Healthy\"")]
    [InlineData("$['status']", "\"Healthy\"")]
    [InlineData("$.a['b c'][0]", "1")]
    [InlineData("$.a[\"b c\"][-2]", "1")]
    [InlineData("$.a['b c'][1].d", "null")]
    [InlineData("$.a.x-y", "2")]
    [InlineData("$.a[']']", "3")]
    [InlineData("$.n[0][-1]", "7")]
    [InlineData("$.Status", null)]
    [InlineData("$.status.length", null)]
    [InlineData("$.a[0]", null)]
    [InlineData("$.n[1]", null)]
    [InlineData("$.n[-2]", null)]
    [InlineData("$.n.x", null)]
    public void A_path_leads_to_one_value_or_to_none(string text, string? expected)
    {
        Assert.True(JsonPath.TryParse(text, out var path, out var problem), problem);
        using var document = JsonDocument.Parse(Document);
        Assert.Equal(expected, path.TryFind(document.RootElement, out var value) ? value.GetRawText() : null);
        Assert.Equal(text, path.ToString());
    }

    [Theory]
    [InlineData("")]
    [InlineData("status")]
    [InlineData("$status")]
    [InlineData("$.")]
    [InlineData("$..a")]
    [InlineData("$.*")]
    [InlineData("$[*]")]
    [InlineData("$[1:2]")]
    [InlineData("$[?@.a]")]
    [InlineData("$['a'")]
    [InlineData("$['a]")]
    [InlineData("$[")]
    [InlineData("$[99999999999]")]
    public void What_leads_to_many_or_nowhere_is_no_path(string text) => Assert.False(JsonPath.TryParse(text, out _, out _));
}
