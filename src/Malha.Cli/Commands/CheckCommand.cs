using System.CommandLine;
using System.Globalization;
using System.Text;
using System.Text.Json;
using Malha.Configuration;
using Malha.Proxy.Tls;

namespace Malha.Cli.Commands;

/// <summary><c>malha check FILE</c>: everything that is wrong with a configuration, with its places.</summary>
internal static class CheckCommand
{
    public static Command Build()
    {
        var file = FileArgument.Build();
        var json = new Option<bool>("--json") { Description = "Print JSON" };
        var command = new Command("check", "Check a configuration: exit code 0 when it is good, 1 when it is not") { file, json };
        command.SetAction(parsed =>
        {
            var name = parsed.GetValue(file) ?? FileArgument.Default;
            var result = MalhaConfigReader.ReadFile(name);
            var (output, error) = (parsed.InvocationConfiguration.Output, parsed.InvocationConfiguration.Error);
            if (parsed.GetValue(json))
                output.WriteLine(ToJson(name, result));
            else
                WriteText(name, result, result.IsUnreadable ? error : output);
            return result.IsGood ? Usage.Done : result.IsUnreadable ? Usage.CannotReach : Usage.Bad;
        });
        return command;
    }

    private static void WriteText(string file, ConfigResult result, TextWriter output)
    {
        if (result.IsGood)
        {
            var config = result.Config;
            string[] counts = [Count(config.Listeners.Count, "listener"), Count(config.Services.Count, "service"), Count(config.Routes.Count, "route")];
            output.WriteLine($"{file} is good: {string.Join(", ", counts)}");
            foreach (var notice in Notices(config))
                output.WriteLine($"warning: {notice}");
            return;
        }

        foreach (var error in result.Errors)
            output.WriteLine(error);
    }

    private static IEnumerable<string> Notices(MalhaConfig config) => CertificateNotices.Of(config, TimeProvider.System.GetUtcNow());

    private static string ToJson(string file, ConfigResult result)
    {
        using var buffer = new MemoryStream();
        using (var json = new Utf8JsonWriter(buffer, new JsonWriterOptions { Indented = true }))
        {
            json.WriteStartObject();
            json.WriteString("file", file);
            json.WriteBoolean("good", result.IsGood);
            if (result.IsGood)
            {
                json.WriteNumber("listeners", result.Config.Listeners.Count);
                json.WriteNumber("services", result.Config.Services.Count);
                json.WriteNumber("routes", result.Config.Routes.Count);
                json.WriteStartArray("warnings");
                foreach (var notice in Notices(result.Config))
                    json.WriteStringValue(notice);
                json.WriteEndArray();
            }

            json.WriteStartArray("errors");
            foreach (var error in result.Errors)
                Write(json, error);
            json.WriteEndArray();
            json.WriteEndObject();
        }

        return Encoding.UTF8.GetString(buffer.GetBuffer().AsSpan(0, (int)buffer.Length));
    }

    private static void Write(Utf8JsonWriter json, ConfigError error)
    {
        json.WriteStartObject();
        json.WriteString("file", error.File);
        // 0 is "the file as a whole"; JSON says so by leaving it out.
        if (error.Line > 0)
        {
            json.WriteNumber("line", error.Line);
            json.WriteNumber("column", error.Column);
        }

        if (error.Path.Length > 0)
            json.WriteString("path", error.Path);
        json.WriteString("problem", error.Problem);
        if (error.Suggestion is not null)
            json.WriteString("suggestion", error.Suggestion);
        if (error.Allowed is not null)
            json.WriteString("allowed", error.Allowed);
        json.WriteEndObject();
    }

    private static string Count(int count, string what) => string.Create(CultureInfo.InvariantCulture, $"{count} {what}{(count == 1 ? "" : "s")}");
}
