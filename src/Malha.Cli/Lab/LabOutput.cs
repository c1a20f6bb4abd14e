using System.Runtime.InteropServices;
using Malha.Cli.Admin;
using Malha.Lab.Reports;
using Malha.Lab.Reports.Html;

namespace Malha.Cli.Lab;

/// <summary>Where what the lab found goes: the terminal or JSON, and a page if one is asked for.</summary>
internal sealed class LabOutput(TextWriter output, TextWriter error, bool json, string? report)
{
    /// <summary>Before the minutes of work, not after them; null: the report can be written, or none is asked for.</summary>
    public static string? Unwritable(string? report) =>
        report is not null && Path.GetDirectoryName(Path.GetFullPath(report)) is { } folder && !Directory.Exists(folder) ? $"the report cannot be written: there is no folder {folder}" : null;

    /// <summary>Runs work that SIGINT and SIGTERM end in order.</summary>
    public static async Task<int> StoppableAsync(Func<CancellationToken, Task<int>> work, TextWriter error, CancellationToken cancellation)
    {
        using var stopping = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        void Stop(PosixSignalContext context)
        {
            context.Cancel = true;
            stopping.Cancel();
        }

        using var interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, Stop);
        using var terminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, Stop);
        try
        {
            return await work(stopping.Token);
        }
        catch (OperationCanceledException) when (stopping.IsCancellationRequested)
        {
            await error.WriteLineAsync("malha: stopped before the experiments were done");
            return Usage.Bad;
        }
    }

    /// <summary>What is being done; on standard error, so that the result can go elsewhere.</summary>
    public void Progress(string what) => error.WriteLine($"lab: {what}");

    public int Fail(string problem, int code)
    {
        error.WriteLine($"malha: {problem}");
        return code;
    }

    /// <summary>Writes it all; the exit code says whether all verdicts pass.</summary>
    public int Write(LabReport found)
    {
        if (json)
            output.WriteLine(LabJson.Write(found));
        else
            // Long cells are broken to fit a terminal: there is nothing in them to copy.
            LabText.Write(found, AdminCommand.Console(output, isRedrawn: !Console.IsOutputRedirected));
        return report is { } file && Save(found, file) is { } failed ? failed : found.Passed ? Usage.Done : Usage.Bad;
    }

    /// <summary>Null when it is written.</summary>
    private int? Save(LabReport found, string file)
    {
        try
        {
            File.WriteAllText(file, HtmlReport.Write(found));
        }
        catch (Exception problem) when (problem is IOException or UnauthorizedAccessException)
        {
            return Fail($"the report cannot be written: {problem.Message}", Usage.CannotReach);
        }

        if (!json)
            output.WriteLine($"report: {file}");
        return null;
    }
}
