using System.Globalization;
using Malha.Bench.Overload.Load;
using Malha.Bench.Overload.Service;

namespace Malha.Bench.Overload;

internal static class OverloadProgram
{
    private const string Usage = "usage: overload service PORT CONTROL_PORT | overload load PLAN.json";

    private static async Task<int> Main(string[] args)
    {
        switch (args)
        {
            case ["service", var port, var control]:
                await ServiceHost.RunAsync(int.Parse(port, CultureInfo.InvariantCulture), int.Parse(control, CultureInfo.InvariantCulture));
                return 0;
            case ["load", var path]:
                Console.WriteLine(await Player.PlayAsync(Plan.Read(path)));
                return 0;
            default:
                await Console.Error.WriteLineAsync(Usage);
                return 2;
        }
    }
}
