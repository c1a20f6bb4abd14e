using System.Globalization;
using System.Text;

namespace Malha.Cli.Demo;

/// <summary>A few customers: five requests a second through the gateway, every fifth an order. It speaks only when how it goes has changed.</summary>
internal sealed class DemoLoad(string gateway, TimeProvider time, TextWriter output)
{
    private const int RequestsPerRound = 25;
    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(200);
    private static readonly string[] Goods = ["hammock", "basket", "net", "bag", "scarf"];
    private static readonly string[] Pages = ["/", "/items", "/orders", "/notifications"];

    private readonly Random _chance = new(1);

    public async Task RunAsync(CancellationToken cancellation)
    {
        using var client = new HttpClient(new SocketsHttpHandler { UseProxy = false });
        using var timer = new PeriodicTimer(Pause, time);
        var before = "";
        try
        {
            while (true)
            {
                var answers = new List<Task<string>>();
                while (answers.Count < RequestsPerRound)
                {
                    await timer.WaitForNextTickAsync(cancellation);
                    answers.Add(SendAsync(client, answers.Count, cancellation));
                }

                var now = Summary(await Task.WhenAll(answers));
                if (now != before)
                    await output.WriteLineAsync($"load: {now}");
                before = now;
            }
        }
        catch (OperationCanceledException)
        {
            // The demo ends.
        }
    }

    private async Task<string> SendAsync(HttpClient client, int number, CancellationToken cancellation)
    {
        using var request = number % 5 == 0
            ? new HttpRequestMessage(HttpMethod.Post, gateway + "/orders")
            {
                Content = new StringContent($$"""{"sku":"{{Goods[_chance.Next(Goods.Length)]}}"}""", Encoding.UTF8, "application/json"),
            }
            : new HttpRequestMessage(HttpMethod.Get, gateway + Pages[number % Pages.Length]);
        try
        {
            using var answer = await client.SendAsync(request, cancellation);
            return answer.IsSuccessStatusCode ? "" : ((int)answer.StatusCode).ToString(CultureInfo.InvariantCulture);
        }
        catch (HttpRequestException)
        {
            return "no answer";
        }
    }

    /// <summary>The kinds of failure without their numbers, so that a steady state is told once.</summary>
    private static string Summary(string[] answers)
    {
        var failures = answers.Where(answer => answer.Length > 0).Distinct().Order().ToArray();
        return failures.Length == 0 ? "all requests are answered well" : $"some requests fail ({string.Join(", ", failures)})";
    }
}
