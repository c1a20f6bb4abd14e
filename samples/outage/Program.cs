using System.Globalization;
using Malha.Resilience;
using Malha.Samples.Outage;

// The same outage for three clients: 140 requests per second come by chance to a service that can do 200; at second 10 it stands still for 3 s.
const double Rate = 140;
const int StallAt = 10;
const int StallSeconds = 3;
var seconds = args is [var text] && int.TryParse(text, CultureInfo.InvariantCulture, out var given) && given >= 30 ? given : 60;

var factory = Clients.Build();
Console.WriteLine($"A service of 10 workers x 50 ms at 70 % load stands still for {StallSeconds} s; clients wait 1 s and retry three times. This takes {seconds} s.");
string[] names = [Clients.Blind, Clients.Standard, Clients.Malha];
var runs = await Task.WhenAll(names.Select((name, i) => RunAsync(factory.CreateClient(name), (ulong)i)));

Console.WriteLine();
Console.WriteLine($"{"client",-38} {"answered",9} {"after the stall",16} {"good again after",17} {"requests sent",14}");
foreach (var (name, run) in names.Zip(runs))
    Console.WriteLine($"{name,-38} {Percent(run.Share(0, seconds)),9} {Percent(run.Share(StallAt + StallSeconds, seconds)),16} {run.Recovery(StallAt + StallSeconds),17} {run.Sent,14}");

async Task<Counts> RunAsync(HttpClient client, ulong seed)
{
    await using var service = await SlowService.StartAsync();
    client.BaseAddress = service.Address;
    await WarmUpAsync(client);
    var before = service.Received;

    var counts = new Counts(seconds);
    var chance = new Chance(seed);
    var clock = new Clock(TimeProvider.System);
    var began = clock.Now;
    var stall = StallLaterAsync(service);
    var asked = new List<Task>();
    for (var at = 0.0; at < seconds; at += -Math.Log(1 - chance.NextDouble()) / Rate)
    {
        var ahead = began + TimeSpan.FromSeconds(at) - clock.Now;
        if (ahead > TimeSpan.Zero)
            await Task.Delay(ahead);
        asked.Add(AskAsync(client, counts, (int)at));
    }

    await Task.WhenAll(asked);
    await stall;
    counts.Sent = service.Received - before;
    return counts;
}

static async Task StallLaterAsync(SlowService service)
{
    await Task.Delay(TimeSpan.FromSeconds(StallAt));
    await service.StallAsync(TimeSpan.FromSeconds(StallSeconds));
}

static async Task WarmUpAsync(HttpClient client)
{
    for (var i = 0; i < 20; i++)
        await client.GetStringAsync("/");
}

static async Task AskAsync(HttpClient client, Counts counts, int second)
{
    Interlocked.Increment(ref counts.Asked[second]);
    try
    {
        using var answer = await client.GetAsync("/");
        if (answer.IsSuccessStatusCode)
            Interlocked.Increment(ref counts.Good[second]);
    }
    catch (Exception problem) when (problem is HttpRequestException or OperationCanceledException or Polly.ExecutionRejectedException)
    {
        // Not answered: what is counted.
    }
}

static string Percent(double share) => share.ToString("0.0 %", CultureInfo.InvariantCulture);

/// <summary>What was asked for and answered, by the second of asking.</summary>
internal sealed class Counts(int seconds)
{
    public int[] Asked { get; } = new int[seconds];

    public int[] Good { get; } = new int[seconds];

    /// <summary>Requests that arrived at the service.</summary>
    public long Sent { get; set; }

    public double Share(int from, int to) => Good[from..to].Sum() / (double)Math.Max(1, Asked[from..to].Sum());

    /// <summary>Seconds until five good ones in a row.</summary>
    public string Recovery(int from)
    {
        for (var second = from; second + 5 <= Good.Length; second++)
        {
            if (Enumerable.Range(second, 5).All(s => Good[s] >= .95 * Asked[s]))
                return string.Create(CultureInfo.InvariantCulture, $"{second - from} s");
        }

        return "never";
    }
}
