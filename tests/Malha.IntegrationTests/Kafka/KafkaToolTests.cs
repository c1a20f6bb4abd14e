using System.Diagnostics;
using System.Globalization;
using Malha.IntegrationTests.Harness;
using Malha.IntegrationTests.Traffic.Support;

namespace Malha.IntegrationTests.Kafka;

/// <summary>The script that starts a real Kafka, as a person uses it.</summary>
public sealed class KafkaToolTests : IDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(2);

    private readonly string _folder = Directory.CreateTempSubdirectory("malha-kafka-tool-").FullName;

    private static string Script => Path.Combine(RealKafka.Root, "tools", "kafka");

    private string Data => Path.Combine(_folder, "cluster");

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public async Task It_comes_up_is_killed_and_started_again_and_leaves_nothing_behind()
    {
        await RealKafka.RequireAsync();
        var (code, said) = await RunAsync("up", "--combined");
        try
        {
            Assert.True(code == 0, said);
            Assert.Matches(@"^bootstrap 127\.0\.0\.1:\d+\n$", said);
            var before = await PidAsync();
            Assert.Equal(0, (await RunAsync("kill", "1")).Code);
            await Eventually.HoldsAsync(() => !Directory.Exists($"/proc/{before}"), "the broker ends");
            Assert.Contains("broker 1 does not run", (await RunAsync("status")).Said, StringComparison.Ordinal);
            Assert.Equal((1, "kafka: broker 1 does not run\n"), await RunAsync("kill", "1"));
            (code, said) = await RunAsync("start", "1");
            Assert.True(code == 0, said);
            Assert.NotEqual(before, await PidAsync());
        }
        finally
        {
            var last = Directory.Exists(Data) ? await PidAsync() : 0;
            Assert.Equal(0, (await RunAsync("down")).Code);
            Assert.False(Directory.Exists(Data));
            // It has ended; whose child it was may take a moment to see it.
            await Eventually.HoldsAsync(() => !Directory.Exists($"/proc/{last}"), "the broker is gone");
        }
    }

    [Fact]
    public async Task A_process_that_has_the_number_of_a_broker_that_ended_is_not_signalled()
    {
        using var stranger = Process.Start("/usr/bin/sleep", "300");
        try
        {
            var node = Directory.CreateDirectory(Path.Combine(Data, "node-1")).FullName;
            await File.WriteAllTextAsync(Path.Combine(node, "pid"), stranger.Id.ToString(CultureInfo.InvariantCulture) + "\n", TestContext.Current.CancellationToken);
            Assert.Equal((1, "kafka: broker 1 does not run\n"), await RunAsync("kill", "1"));
            Assert.Equal(0, (await RunAsync("down")).Code);
            Assert.False(stranger.HasExited);
        }
        finally
        {
            stranger.Kill();
        }
    }

    [Fact]
    public async Task Without_a_Kafka_it_says_how_to_get_one()
    {
        var nowhere = new Dictionary<string, string> { ["KAFKA_HOME"] = Path.Combine(_folder, "nothing") };
        var (code, said) = await RunAsync(nowhere, "up");
        Assert.Equal((3, $"kafka: KAFKA_HOME is {nowhere["KAFKA_HOME"]}, but there is no kafka_2.*.jar in its libs/; set it to the folder of an unpacked Kafka\n"), (code, said));
    }

    private async Task<int> PidAsync()
    {
        var line = (await RunAsync("status")).Said.Split('\n').Single(line => line.StartsWith("broker 1 pid ", StringComparison.Ordinal));
        return int.Parse(line["broker 1 pid ".Length..], CultureInfo.InvariantCulture);
    }

    private Task<(int Code, string Said)> RunAsync(params string[] arguments) => RunAsync(new Dictionary<string, string>(), arguments);

    private async Task<(int Code, string Said)> RunAsync(Dictionary<string, string> environment, params string[] arguments)
    {
        var child = ChildProcess.Start(Script, [.. arguments, "--dir", Data], environment, _ => false);
        int code;
        // All that it said is there when it was disposed.
        await using (child)
            code = await child.ExitedAsync(Patience);
        return (code, child.Output);
    }
}
