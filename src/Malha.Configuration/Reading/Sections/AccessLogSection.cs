using Malha.Configuration.Reading.Shapes;
using Forms = Malha.Configuration.Reading.Shapes.Shapes;

namespace Malha.Configuration.Reading.Sections;

internal static class AccessLogSection
{
    public static Section<AccessLogConfig> Section { get; } =
        new Section<AccessLogConfig>("the access log: format, sample", _ => new AccessLogConfig())
        .Optional("format", new ChoiceShape<AccessLogFormat>(
                ("auto", AccessLogFormat.Auto), ("text", AccessLogFormat.Text), ("json", AccessLogFormat.Json), ("off", AccessLogFormat.Off)),
            Defaults.AccessLogFormat, a => a.Format, (a, v) => a with { Format = v },
            "The form of a line; auto is text on a terminal and JSON elsewhere.")
        .Optional("sample", Forms.Share, Defaults.AccessLogSample, a => a.Sample, (a, v) => a with { Sample = v },
            "The share of requests that are logged; refusals and failures always are.");
}
