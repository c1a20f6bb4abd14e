using System.Globalization;
using System.Text;
using System.Text.Json;
using Malha.Configuration;

namespace Malha.Proxy.Health.Probes;

/// <summary>What an answer must be, and what it says of the things behind the endpoint.</summary>
internal sealed class AnswerCheck(HealthExpectConfig expect)
{
    private const int MaxShown = 64;

    private readonly (JsonPath Path, ValueMatchConfig Match)[] _json =
        [.. expect.Json.Select(one => JsonPath.TryParse(one.Key, out var path, out var problem) ? (path, one.Value) : throw new ArgumentException(problem, nameof(expect)))];

    private readonly byte[] _body = Encoding.UTF8.GetBytes(expect.Body);

    /// <summary>The time is judged last: an answer that is wrong is wrong however long it took.</summary>
    public ProbeReport Judge(string what, HttpResponseMessage response, ReadOnlyMemory<byte> body, TimeSpan took)
    {
        using var document = Parse(body, out var noJson);
        var reported = document is null ? null : ReportedHealth.Read(document.RootElement);
        var failure = Status((int)response.StatusCode) ?? Headers(response) ?? Body(body.Span) ?? Json(document, noJson);
        if (failure is null && reported is { Level: ReportedLevel.Unhealthy })
            failure = "the service reports that it is unhealthy";
        if (failure is not null)
            return ProbeReport.Failed($"{what}: {failure}", reported is null ? [] : reported.Blamed);
        if (expect.Within is { } within && took > within)
            return ProbeReport.Failed($"{what}: took {took.TotalMilliseconds:0} ms, expected within {within.TotalMilliseconds:0} ms", reported?.Blamed ?? []);
        return reported?.Blamed is { Count: > 0 } troubled ? ProbeReport.Degraded(troubled) : ProbeReport.Good;
    }

    private string? Status(int status)
    {
        foreach (var range in expect.Status)
        {
            if (range.Contains(status))
                return null;
        }

        return $"status {status}, expected {string.Join(" or ", expect.Status)}";
    }

    private string? Headers(HttpResponseMessage response)
    {
        foreach (var (name, match) in expect.Headers)
        {
            var found = response.Headers.TryGetValues(name, out var values) || response.Content.Headers.TryGetValues(name, out values);
            if (Mismatch(match, found ? string.Join(", ", values!) : null) is { } problem)
                return $"the header {name} {problem}";
        }

        return null;
    }

    private string? Body(ReadOnlySpan<byte> body)
    {
        if (_body.Length == 0 || body[..Math.Min(body.Length, HttpProbe.MaxBody)].IndexOf(_body) >= 0)
            return null;
        return $"the body lacks \"{Shown(expect.Body)}\"" + (body.Length > HttpProbe.MaxBody ? " in its first 64 KiB" : "");
    }

    private string? Json(JsonDocument? document, string? noJson)
    {
        if (_json.Length == 0)
            return null;
        if (document is null)
            return noJson;
        foreach (var (path, match) in _json)
        {
            if (Mismatch(match, path.TryFind(document.RootElement, out var value) ? Text(value) : null) is { } problem)
                return $"{path} {problem}";
        }

        return null;
    }

    private static JsonDocument? Parse(ReadOnlyMemory<byte> body, out string? problem)
    {
        problem = body.Length > HttpProbe.MaxBody ? "the body is longer than 64 KiB" : body.IsEmpty ? "the answer has no body, expected JSON" : null;
        if (problem is not null)
            return null;
        try
        {
            return JsonDocument.Parse(body);
        }
        catch (JsonException)
        {
            problem = "the body is not JSON";
            return null;
        }
    }

    /// <summary>How a value differs from what it must be; null when it does not. A value that is absent is null.</summary>
    private static string? Mismatch(ValueMatchConfig match, string? value) => match.Kind switch
    {
        ValueMatchKind.Absent => value is null ? null : "is there, expected none",
        _ when value is null => "is missing",
        ValueMatchKind.Present => null,
        ValueMatchKind.Prefix => value.StartsWith(match.Text, StringComparison.Ordinal) ? null : $"is {Shown(value)}, expected {Shown(match.Text)}…",
        _ => value == match.Text || SameNumber(value, match.Text) ? null : $"is {Shown(value)}, expected {Shown(match.Text)}",
    };

    private static bool SameNumber(string one, string other) =>
        double.TryParse(one, NumberStyles.Float, CultureInfo.InvariantCulture, out var left)
        && double.TryParse(other, NumberStyles.Float, CultureInfo.InvariantCulture, out var right) && left.Equals(right);

    private static string Text(JsonElement value) => value.ValueKind switch
    {
        JsonValueKind.String => value.GetString()!,
        JsonValueKind.True => "true",
        JsonValueKind.False => "false",
        JsonValueKind.Null => "null",
        _ => value.GetRawText(),
    };

    private static string Shown(string text) => text.Length <= MaxShown ? text : text[..MaxShown] + "…";
}
