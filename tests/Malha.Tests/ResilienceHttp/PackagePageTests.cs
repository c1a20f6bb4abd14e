using System.Text.RegularExpressions;
using Malha.Resilience;
using Malha.Resilience.Http;
using Malha.Tests.Configuration;
using Microsoft.Extensions.DependencyInjection;

namespace Malha.Tests.ResilienceHttp;

/// <summary>The code of docs/package.md stands here too, and is compiled and run.</summary>
public sealed partial class PackagePageTests
{
    private static readonly string Page = File.ReadAllText(Repository.File("docs", "package.md"));

    [Fact]
    public void Every_line_of_code_on_the_page_stands_in_this_file()
    {
        var here = File.ReadAllLines(Repository.File("tests", "Malha.Tests", "ResilienceHttp", "PackagePageTests.cs")).Select(line => line.Trim()).ToHashSet();
        var lines = Block().Matches(Page).SelectMany(match => match.Groups[1].Value.Split('\n')).Select(line => line.Trim()).Where(line => line.Length > 0).ToList();
        Assert.True(lines.Count >= 15);
        Assert.All(lines, line => Assert.Contains(line, here));
    }

    [Fact]
    public void The_clients_of_the_page_can_be_made()
    {
        var services = new ServiceCollection();
        services.AddHttpClient("payments", client => client.BaseAddress = new Uri("http://payments/"))
            .AddMalhaResilience();
        services.AddHttpClient("payments")
            .AddMalhaResilience(options =>
            {
                options.Timeout = TimeSpan.FromSeconds(2);
                options.AttemptTimeout = TimeSpan.FromMilliseconds(800);
                options.Retry = new RetryOptions { Attempts = 3, Base = TimeSpan.FromMilliseconds(50) };
                options.Budget = new RetryBudgetOptions { Ratio = .1 };
                options.Hedging = new HedgingOptions();
                options.Breaker = new BreakerOptions { SlowOver = TimeSpan.FromSeconds(1) };
                options.Concurrency = new AdmissionOptions { Capacity = new RateLimitOptions { Limit = 100 } };
                options.Throttle = new ThrottleOptions();
            });
        using var provider = services.BuildServiceProvider();
        Assert.NotNull(provider.GetRequiredService<IHttpClientFactory>().CreateClient("payments"));
    }

    [Fact]
    public async Task The_pipeline_of_the_page_runs()
    {
        const ulong seed = 1;
        var cancellationToken = TestContext.Current.CancellationToken;
        var used = 0;
        var pipeline = new ResiliencePipeline(new ResiliencePipelineOptions(), TimeProvider.System, new Chance(seed));
        var outcome = await pipeline.TryExecuteAsync(static (id, token) => LoadAsync(id, token), 42, cancellationToken);
        if (outcome.Succeeded)
            Use(outcome.Value);
        else if (outcome.Refusal == PipelineRefusal.BreakerOpen)
            Later(outcome.RetryAfter);
        Assert.Equal(42, used);

        static ValueTask<int> LoadAsync(int id, CancellationToken token) => token.IsCancellationRequested ? ValueTask.FromCanceled<int>(token) : new ValueTask<int>(id);

        void Use(int value) => used = value;

        static void Later(TimeSpan after) => Assert.Fail($"refused for {after}");
    }

    [Fact]
    public void The_page_names_every_option()
    {
        Assert.All(typeof(HttpResilienceOptions).GetProperties(), property => Assert.Contains($"| `{property.Name}` |", Page, StringComparison.Ordinal));
    }

    [GeneratedRegex("```csharp\n(.*?)```", RegexOptions.Singleline)]
    private static partial Regex Block();
}
