using System.Diagnostics.CodeAnalysis;
using System.Security.Cryptography;
using System.Text;
using Malha.Configuration.Reading;

namespace Malha.Configuration;

/// <summary>Where <c>env:NAME</c> and <c>file:PATH</c> lead.</summary>
/// <param name="directory">What a relative path is relative to: the directory of the configuration file.</param>
/// <param name="environment">Looks an environment variable up; null when it is not set.</param>
public sealed class SecretSource(string directory, Func<string, string?> environment)
{
    /// <summary>A secret or a PEM file is a few kilobytes.</summary>
    private const int MaxFileBytes = 1 << 20;

    /// <summary>The process's environment, and files relative to a directory.</summary>
    public static SecretSource Process(string directory) => new(directory, Environment.GetEnvironmentVariable);

    /// <summary>
    /// The value behind a reference, without a line break at its end; null after saying in <paramref name="problem"/> why there is none.
    /// </summary>
    internal string? Read(string reference, out string problem)
    {
        if (reference.StartsWith("env:", StringComparison.Ordinal))
        {
            var name = reference[4..];
            var value = name.Length == 0 || name.Contains('\0', StringComparison.Ordinal) ? null : environment(name);
            problem = value is null
                ? $"the environment variable {Printable.Quote(name)} is not set"
                : value.Length == 0 ? $"the environment variable {Printable.Quote(name)} is empty" : "";
            return problem.Length > 0 ? null : value;
        }

        if (!TryReadFile(reference, out _, out var content, out problem))
            return null;
        try
        {
            var text = new UTF8Encoding(false, throwOnInvalidBytes: true).GetString(content);
            text = text.EndsWith("\r\n", StringComparison.Ordinal) ? text[..^2] : text.EndsWith('\n') ? text[..^1] : text;
            problem = text.Length == 0 ? $"the file {Printable.Quote(reference[5..])} is empty" : "";
            return text.Length == 0 ? null : text;
        }
        catch (DecoderFallbackException)
        {
            problem = $"the file {Printable.Quote(reference[5..])} is not UTF-8";
            return null;
        }
    }

    /// <summary>The file behind <c>file:PATH</c> with its digest and content.</summary>
    internal bool TryReadFile(
        string reference, [NotNullWhen(true)] out ConfigFile? file, [NotNullWhen(true)] out byte[]? content, out string problem)
    {
        file = null;
        content = null;
        var name = reference.StartsWith("file:", StringComparison.Ordinal) ? reference[5..] : "";
        problem = "file: is followed by a path";
        if (name.Length == 0 || name.Contains('\0', StringComparison.Ordinal))
            return false;

        try
        {
            var path = Path.GetFullPath(name, Path.GetFullPath(directory));
            using var stream = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
            problem = $"the file {Printable.Quote(name)} is larger than 1 MiB";
            var buffer = new byte[MaxFileBytes + 1];
            var length = stream.ReadAtLeast(buffer, buffer.Length, throwOnEndOfStream: false);
            if (length > MaxFileBytes)
                return false;
            content = buffer[..length];
            file = new ConfigFile(path, Convert.ToHexStringLower(SHA256.HashData(content)));
            problem = "";
            return true;
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException or ArgumentException or NotSupportedException)
        {
            problem = $"the file {Printable.Quote(name)} cannot be read: {FileFault.Say(fault)}";
            return false;
        }
    }
}
