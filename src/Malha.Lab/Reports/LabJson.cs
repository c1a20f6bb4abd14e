using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace Malha.Lab.Reports;

/// <summary>The report for programs: the same figures, as numbers.</summary>
internal static class LabJson
{
    private static readonly JsonSerializerOptions Options = new(JsonSerializerDefaults.Web)
    {
        WriteIndented = true,
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
        DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
        // What never happened is "Infinity": JSON has no word for it.
        NumberHandling = JsonNumberHandling.AllowNamedFloatingPointLiterals,
        Converters = { new JsonStringEnumConverter(JsonNamingPolicy.CamelCase) },
    };

    public static string List(IEnumerable<(string Name, string Title)> experiments) =>
        JsonSerializer.Serialize(experiments.Select(experiment => new { experiment.Name, experiment.Title }), Options);

    public static string Write(LabReport report) => JsonSerializer.Serialize(report, Options);
}
