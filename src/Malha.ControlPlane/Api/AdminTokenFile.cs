using System.Buffers.Text;
using System.Globalization;
using System.Security.Cryptography;
using Malha.Configuration;

namespace Malha.ControlPlane.Api;

/// <summary>
/// The token that is made at each start when the file gives none: 256 random bits in a file that only its owner reads. Who may read it may
/// change the gateway; the commands find it by the port.
/// </summary>
internal sealed class AdminTokenFile : IDisposable
{
    private const string Prefix = "admin-";
    private const string Suffix = ".token";

    private readonly string _value;

    private AdminTokenFile(string path, string value)
    {
        Path = path;
        _value = value;
        Token = new Secret(value, "file:" + path);
    }

    public string Path { get; }

    public Secret Token { get; }

    /// <summary>Where the token of the gateway whose admin API has this port lies: in the user's runtime directory, else in the home directory.</summary>
    public static string PathFor(int port) => System.IO.Path.Combine(Folder(), string.Create(CultureInfo.InvariantCulture, $"{Prefix}{port}{Suffix}"));

    /// <summary>The ports of the gateways that have written a token here; one that was killed may be among them.</summary>
    public static IReadOnlyList<int> Ports()
    {
        try
        {
            return [.. Directory.EnumerateFiles(Folder(), Prefix + "*" + Suffix)
                .Select(path => System.IO.Path.GetFileName(path)[Prefix.Length..^Suffix.Length])
                .Select(text => int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var port) ? port : 0)
                .Where(port => port is > 0 and <= 65535).Order()];
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            return [];
        }
    }

    /// <summary>The token of the gateway whose admin API has this port; null when there is no file of ours that can be read.</summary>
    public static string? Read(int port)
    {
        try
        {
            return File.ReadAllText(PathFor(port)).Trim();
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }
    /// <summary>Writes a new token. Null with the problem when the place cannot be written.</summary>
    public static AdminTokenFile? Write(string path, out string? problem)
    {
        var value = Base64Url.EncodeToString(RandomNumberGenerator.GetBytes(32));
        try
        {
            var directory = System.IO.Path.GetDirectoryName(path)!;
            if (OperatingSystem.IsWindows())
                Directory.CreateDirectory(directory);
            else
                Directory.CreateDirectory(directory, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);

            // Made under a name that nobody can have prepared and put in place whole: never readable by others, not even for a moment, and a link
            // that lies in the way is replaced, not followed.
            var draft = $"{path}.{Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(8))}";
            var options = new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.Write };
            if (!OperatingSystem.IsWindows())
                options.UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite;
            using (var writer = new StreamWriter(draft, options))
                writer.Write(value);
            File.Move(draft, path, overwrite: true);
            problem = null;
            return new AdminTokenFile(path, value);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            problem = exception.Message;
            return null;
        }
    }

    private static string Folder()
    {
        var runtime = Environment.GetEnvironmentVariable("XDG_RUNTIME_DIR");
        return string.IsNullOrEmpty(runtime) || !System.IO.Path.IsPathRooted(runtime)
            ? System.IO.Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.UserProfile, Environment.SpecialFolderOption.DoNotVerify), ".malha")
            : System.IO.Path.Combine(runtime, "malha");
    }

    /// <summary>Removes the file, unless another gateway has put its own there.</summary>
    public void Dispose()
    {
        try
        {
            if (File.ReadAllText(Path) == _value)
                File.Delete(Path);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            // It is of no use to anybody once this gateway has ended.
        }
    }
}
