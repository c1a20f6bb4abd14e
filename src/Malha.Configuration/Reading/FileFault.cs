namespace Malha.Configuration.Reading;

/// <summary>Says why a file could not be read, without the path that the runtime's messages repeat.</summary>
internal static class FileFault
{
    public static string Say(Exception fault) => fault switch
    {
        FileNotFoundException or DirectoryNotFoundException => "there is no such file",
        UnauthorizedAccessException => "it is a directory, or its permissions forbid it",
        PathTooLongException => "the path is too long",
        _ => Printable.Escape(fault.Message),
    };
}
