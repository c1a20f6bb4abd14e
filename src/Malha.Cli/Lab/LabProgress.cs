using Malha.Lab.Reports;
using Malha.Lab.Running;
using Spectre.Console;

namespace Malha.Cli.Lab;

/// <summary>A bar for what takes longer than a second, on a terminal only; on standard error, so that the result can go elsewhere.</summary>
internal static class LabProgress
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan Refresh = TimeSpan.FromMilliseconds(100);

    public static async Task<LabReport> WatchAsync(LabRun run, Task<LabReport> working, TimeProvider time)
    {
        if (Console.IsErrorRedirected)
            return await working;
        await Task.WhenAny(working, Task.Delay(Patience, time));
        if (working.IsCompleted)
            return await working;

        var console = AnsiConsole.Create(new AnsiConsoleSettings { Out = new AnsiConsoleOutput(Console.Error) });
        await console.Progress().AutoClear(true).Columns(new TaskDescriptionColumn(), new ProgressBarColumn(), new PercentageColumn(), new RemainingTimeColumn()).StartAsync(async progress =>
        {
            var bar = progress.AddTask("experiments", maxValue: run.Total);
            while (!working.IsCompleted)
            {
                bar.Value = run.Done;
                await Task.WhenAny(working, Task.Delay(Refresh, time));
            }
        });
        return await working;
    }
}
