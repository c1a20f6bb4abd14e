namespace Malha.Cli;

internal static class Program
{
    private static int Main(string[] args)
    {
        Console.Error.WriteLine("malha: no command yet");
        return args.Length == 0 ? 0 : 2;
    }
}
