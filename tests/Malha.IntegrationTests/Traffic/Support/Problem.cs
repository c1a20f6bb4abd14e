using System.Text.Json;
using Malha.IntegrationTests.Harness;

namespace Malha.IntegrationTests.Traffic.Support;

/// <summary>Checks an answer of the gateway's own: RFC 9457 and RFC 9209.</summary>
internal static class Problem
{
    public static JsonElement Has(
        WireAnswer answer, int status, string type, string? rule = null, double? limit = null, string? unit = null, string? proxyError = null)
    {
        var text = WireText.Text(answer.Body);
        Assert.True(answer.Status == status, $"{answer.Status}: {text}");
        Assert.Equal("application/problem+json", answer.Value("Content-Type"));
        Assert.StartsWith("malha; error=", answer.Value("Proxy-Status"), StringComparison.Ordinal);
        if (proxyError is not null)
            Assert.Equal($"malha; error={proxyError}", answer.Value("Proxy-Status"));
        var problem = JsonDocument.Parse(answer.Body).RootElement;
        Assert.Equal($"urn:malha:problem:{type}", problem.GetProperty("type").GetString());
        Assert.Equal(status, problem.GetProperty("status").GetInt32());
        Assert.NotEmpty(problem.GetProperty("title").GetString()!);
        Assert.Equal($"/api/v1/decisions/{answer.Value("X-Request-Id")}", problem.GetProperty("instance").GetString());
        Assert.Equal(32, problem.GetProperty("traceId").GetString()!.Length);
        if (rule is not null)
            Assert.Equal(rule, problem.GetProperty("rule").GetString());
        if (limit is not null)
            Assert.Equal(limit, problem.GetProperty("limit").GetDouble());
        if (unit is not null)
        {
            Assert.Equal(unit, problem.GetProperty("unit").GetString());
            Assert.True(problem.GetProperty("observed").GetDouble() >= 0);
        }
        return problem;
    }
}
