using System.Globalization;
using System.Text;
using System.Text.Unicode;
using Malha.Configuration.Reading;
using Malha.Configuration.Reading.Sections;
using Malha.Configuration.Reading.Yaml;
using Malha.Configuration.Validation;

namespace Malha.Configuration;

/// <summary>Reads <c>malha.yaml</c>. It never throws for what a file holds: the result has the configuration, or all errors.</summary>
public static class MalhaConfigReader
{
    /// <summary>100,000 routes fit; what is larger is another file.</summary>
    public const int MaxFileBytes = 16 << 20;

    /// <summary>Reads a file and what it points to.</summary>
    /// <param name="path">The file; paths within it are relative to its directory.</param>
    /// <param name="environment">Looks environment variables up; the process's when null.</param>
    public static ConfigResult ReadFile(string path, Func<string, string?>? environment = null)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        byte[] content;
        string directory;
        try
        {
            directory = Path.GetDirectoryName(Path.GetFullPath(path)) ?? "/";
            using var stream = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete, bufferSize: 0);
            content = new byte[Math.Min(stream.CanSeek ? stream.Length : MaxFileBytes, MaxFileBytes) + 1];
            var length = stream.ReadAtLeast(content, content.Length, throwOnEndOfStream: false);
            if (length > MaxFileBytes)
                return ConfigResult.Bad([new ConfigError(path, 0, 0, "", "the file is larger than 16 MiB")]);
            // A file that grows while it is read is read up to where it was.
            content = content[..Math.Min(length, content.Length)];
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException or ArgumentException or NotSupportedException)
        {
            return ConfigResult.Unreadable(path, $"the file cannot be read: {FileFault.Say(fault)}");
        }

        return TryDecode(content, path, out var text) is { } error
            ? ConfigResult.Bad([error])
            : Read(text, path, new SecretSource(directory, environment ?? Environment.GetEnvironmentVariable));
    }

    /// <summary>Reads a text.</summary>
    /// <param name="text">The content of a file.</param>
    /// <param name="file">The name that errors and places give.</param>
    /// <param name="secrets">Where secrets and files come from.</param>
    public static ConfigResult Read(string text, string file, SecretSource secrets)
    {
        ArgumentNullException.ThrowIfNull(text);
        ArgumentNullException.ThrowIfNull(secrets);
        var context = new BindContext(file, secrets);
        if (YamlTreeReader.Read(text.StartsWith('\ufeff') ? text[1..] : text, context.Errors) is not { } tree)
            return ConfigResult.Bad(context.Errors.ToSorted());

        if (tree is YamlText { IsNull: true })
            context.Errors.Add(1, 1, "", "the file is empty", allowed: FileSection.Section.Allowed);
        else if (FileSection.Section.TryBind(tree, KeyPath.Top, context, out var config))
        {
            ConfigValidator.Check(config, context.Errors, context.Suggestion);
            if (context.Errors.Count == 0)
                return ConfigResult.Good(config);
        }

        return ConfigResult.Bad(context.Errors.ToSorted());
    }

    private static ConfigError? TryDecode(byte[] content, string path, out string text)
    {
        text = "";
        if (content is [0xff, 0xfe, ..] or [0xfe, 0xff, ..])
            return new ConfigError(path, 1, 1, "", "the file is UTF-16; save it as UTF-8");
        if (Utf8.IsValid(content))
        {
            text = Encoding.UTF8.GetString(content);
            return null;
        }

        // The replacement character may stand in the file by right, so the place is found by the length of what decodes.
        var strict = new UTF8Encoding(false, throwOnInvalidBytes: true);
        try
        {
            strict.GetString(content);
        }
        catch (DecoderFallbackException fault)
        {
            var good = Encoding.UTF8.GetString(content, 0, Math.Clamp(fault.Index, 0, content.Length));
            var (line, column) = TextCheck.Place(good, good.Length);
            var value = fault.BytesUnknown is [var first, ..] ? string.Create(CultureInfo.InvariantCulture, $" (byte 0x{first:X2})") : "";
            return new ConfigError(path, line, column, "", $"the file is not UTF-8 here{value}; save it as UTF-8");
        }

        return new ConfigError(path, 1, 1, "", "the file is not UTF-8; save it as UTF-8");
    }
}
