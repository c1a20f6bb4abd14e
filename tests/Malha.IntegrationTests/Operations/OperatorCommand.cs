using System.Diagnostics;
using System.Text.Json;
using Malha.IntegrationTests.Admin;

namespace Malha.IntegrationTests.Operations;

/// <summary>The built `malha` as an operator calls it.</summary>
/// <param name="Code">Its exit code.</param>
/// <param name="Output">What it said.</param>
/// <param name="Error">What it complained of.</param>
internal sealed record OperatorCommand(int Code, string Output, string Error)
{
    public JsonElement Json => JsonDocument.Parse(Output).RootElement;

    /// <summary>Against a gateway, with the rights of whoever started it.</summary>
    public static Task<OperatorCommand> RunAsync(RunningGateway gateway, params string[] arguments) =>
        RunInAsync(new() { ["MALHA_ADMIN"] = gateway.Admin, ["MALHA_TOKEN"] = gateway.Token }, arguments);

    /// <summary>With nothing of the surroundings but what is given.</summary>
    public static async Task<OperatorCommand> RunInAsync(Dictionary<string, string?> environment, params string[] arguments)
    {
        var start = new ProcessStartInfo(Path.Combine(AppContext.BaseDirectory, "malha"), arguments) { RedirectStandardOutput = true, RedirectStandardError = true };
        foreach (var name in (string[])["MALHA_ADMIN", "MALHA_TOKEN"])
            start.Environment.Remove(name);
        foreach (var (name, value) in environment)
            start.Environment[name] = value;
        using var process = Process.Start(start)!;
        var said = await Task.WhenAll(
            process.StandardOutput.ReadToEndAsync(TestContext.Current.CancellationToken), process.StandardError.ReadToEndAsync(TestContext.Current.CancellationToken));
        await process.WaitForExitAsync(TestContext.Current.CancellationToken);
        return new OperatorCommand(process.ExitCode, said[0], said[1]);
    }
}
