using System.Globalization;
using System.Net;
using System.Reflection;
using System.Text;

namespace Malha.Lab.Reports.Html;

/// <summary>
/// The report as one file that needs nothing else: no script, no font and no picture from anywhere. It holds no date, so that the same seed gives the same
/// bytes.
/// </summary>
internal sealed class HtmlReport
{
    private readonly StringBuilder _page = new();
    private readonly LabReport _report;
    private int _plots;

    private HtmlReport(LabReport report) => _report = report;

    public static string Write(LabReport report)
    {
        var page = new HtmlReport(report);
        page.Head();
        page.Overview();
        foreach (var experiment in report.Experiments)
            page.Experiment(experiment);
        page.Foot();
        return page._page.ToString();
    }

    private void Head()
    {
        Line("<!DOCTYPE html>");
        Line("<html lang=\"en\">");
        Line("<head>");
        Line("<meta charset=\"utf-8\">");
        Line("<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">");
        Line("<meta name=\"color-scheme\" content=\"light dark\">");
        Line($"<title>Malha lab, seed {_report.Seed}</title>");
        Line("<style>");
        Line(Style());
        Line("</style>");
        Line("</head>");
        Line("<body>");
        Line("<main>");
    }

    private void Overview()
    {
        Line("<header>");
        Line("<h1>Malha lab</h1>");
        Line(_report.IsLive
            ? "<p class=\"lead\">Measured with real processes in real time: the same seed does the same things, and finds other figures.</p>"
            : "<p class=\"lead\">What goes wrong without each policy, and what becomes of it with Malha. Everything here was simulated in virtual time, with the classes that run in the gateway: "
                + "no sockets, no waiting, and the same figures each time for the same seed.</p>");
        Line($"<p class=\"run\">seed <strong>{_report.Seed}</strong> · repeat with <code>{Text(_report.Command)}</code></p>");
        Line("</header>");
        Line("<nav class=\"overview\" aria-label=\"Verdicts\"><table>");
        Line("<thead><tr><th>experiment</th><th>verdict</th><th>what it shows</th></tr></thead><tbody>");
        foreach (var experiment in _report.Experiments)
            Line($"<tr><td><a href=\"#{experiment.Name}\">{experiment.Name}</a></td><td>{Badge(experiment.Verdict)}</td><td>{Text(experiment.Title)}</td></tr>");
        Line("</tbody></table></nav>");
    }

    private void Experiment(ExperimentReport experiment)
    {
        Line($"<section id=\"{experiment.Name}\">");
        Line($"<h2>{Text(experiment.Title)} <span class=\"name\">{experiment.Name}</span></h2>");
        Line($"<p class=\"verdict {experiment.Verdict.Word}\">{Badge(experiment.Verdict)} {Text(experiment.Verdict.Reason)}</p>");
        Line($"<h3>Why</h3><p>{Text(experiment.Why)}</p>");
        Line($"<h3>{(_report.IsLive ? "What is done" : "What is simulated")}</h3><p>{Text(experiment.Setup)}</p>");
        if (experiment.Plots.Count > 0)
        {
            Line("<div class=\"plots\">");
            foreach (var plot in experiment.Plots)
                Plot(plot);
            Line("</div>");
        }

        foreach (var table in experiment.Tables)
            Table(table);
        Line($"<p class=\"run\">Repeat with <code>{Text(experiment.Command)}</code></p>");
        Line("</section>");
    }

    private void Plot(Plot plot)
    {
        var id = string.Create(CultureInfo.InvariantCulture, $"p{_plots++}");
        Line("<figure>");
        Line($"<figcaption>{Text(plot.Title)}</figcaption>");
        Line("<ul class=\"legend\">");
        foreach (var series in plot.Series)
            Line($"<li>{Swatch(series.Tone)}{Text(series.Name)}</li>");
        Line("</ul>");
        // What the axis counts is written over it, not along it: nobody turns the head.
        Line($"<p class=\"unit\">{Text(plot.YAxis)}</p>");
        // Text in a picture that is scaled down to a telephone cannot be read: there are two, and the style sheet shows the one that fits.
        Line($"<div class=\"wide\">{PlotSvg.Draw(plot, 560, 290, id + "w")}</div>");
        Line($"<div class=\"narrow\">{PlotSvg.Draw(plot, 350, 250, id + "n")}</div>");
        Line("</figure>");
    }

    private void Table(FigureTable table)
    {
        Line($"<div class=\"scroll\"><table class=\"figures\"><caption>{Text(table.Caption)}</caption>");
        Line("<thead><tr>" + string.Concat(table.Columns.Select((column, i) => $"<th{Align(table, i)}>{Text(column)}</th>")) + "</tr></thead><tbody>");
        foreach (var row in table.Rows)
            Line("<tr>" + string.Concat(row.Select((cell, i) => $"<td{Align(table, i)}>{Marked(cell)}</td>")) + "</tr>");
        Line("</tbody></table></div>");
    }

    private void Foot()
    {
        Line("<footer><p>Malha's policies are described in its documentation: docs/resilience.md says what each does, docs/lab.md how these experiments are made.</p></footer>");
        Line("</main>");
        Line("</body>");
        Line("</html>");
    }

    private static string Align(FigureTable table, int column) => column < table.TextColumns ? "" : " class=\"number\"";

    private static string Marked(Cell cell) => cell.Mark switch
    {
        Mark.Good => $"<span class=\"good\">{Text(cell.Text)} <span aria-label=\"holds\">✓</span></span>",
        Mark.Bad => $"<span class=\"bad\">{Text(cell.Text)} <span aria-label=\"does not hold\">✗</span></span>",
        _ => Text(cell.Text),
    };

    private static string Badge(Verdict verdict) => $"<span class=\"badge {verdict.Word}\">{verdict.Word}</span>";

    private static string Swatch(Tone tone)
    {
        var dashes = PlotSvg.Dashes(tone) is { } dash ? $" stroke-dasharray=\"{string.Join(',', dash.Select(length => length.ToString(CultureInfo.InvariantCulture)))}\"" : "";
        var name = tone.ToString().ToLower(CultureInfo.InvariantCulture);
        return string.Create(
            CultureInfo.InvariantCulture,
            $"<svg class=\"swatch\" viewBox=\"0 0 24 8\" aria-hidden=\"true\"><line x1=\"0\" y1=\"4\" x2=\"24\" y2=\"4\" stroke=\"var(--tone-{name})\" stroke-width=\"{PlotSvg.Thickness(tone)}\"{dashes}/></svg>");
    }

    private static string Text(string text) => WebUtility.HtmlEncode(text);

    private static string Style()
    {
        using var stream = Assembly.GetExecutingAssembly().GetManifestResourceStream("report.css")!;
        using var reader = new StreamReader(stream);
        return reader.ReadToEnd().TrimEnd();
    }

    private void Line(string line) => _page.Append(line).Append('\n');
}
