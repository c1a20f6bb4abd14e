using System.Globalization;
using System.Text.RegularExpressions;
using OxyPlot;
using OxyPlot.Annotations;
using OxyPlot.Axes;
using OxyPlot.Series;

namespace Malha.Lab.Reports.Html;

/// <summary>
/// Draws a plot as SVG with OxyPlot. The library writes fixed colours, while a report must be readable in light and dark: so each colour given to it is a
/// stand-in that the finished text has replaced by a variable of the style sheet.
/// </summary>
internal static partial class PlotSvg
{
    private const double FontSize = 12;

    private static readonly OxyColor Ink = OxyColor.FromRgb(1, 2, 3);
    private static readonly OxyColor Faint = OxyColor.FromRgb(1, 2, 4);
    private static readonly OxyColor BandFill = OxyColor.FromRgb(1, 2, 5);
    private static readonly OxyColor BandInk = OxyColor.FromRgb(1, 2, 6);

    private static readonly Dictionary<string, string> Variables = new()
    {
        [Stands(Ink)] = "var(--plot-ink)",
        [Stands(Faint)] = "var(--plot-grid)",
        [Stands(BandFill)] = "var(--plot-band)",
        [Stands(BandInk)] = "var(--plot-band-ink)",
        [Stands(Colour(Tone.Naive))] = "var(--tone-naive)",
        [Stands(Colour(Tone.Malha))] = "var(--tone-malha)",
        [Stands(Colour(Tone.Third))] = "var(--tone-third)",
        [Stands(Colour(Tone.Fourth))] = "var(--tone-fourth)",
        [Stands(Colour(Tone.Fifth))] = "var(--tone-fifth)",
        [Stands(Colour(Tone.Reference))] = "var(--tone-reference)",
    };

    /// <param name="plot">What is drawn.</param>
    /// <param name="width">In units of the text's size: 12 of them.</param>
    /// <param name="height">In the same.</param>
    /// <param name="id">Unlike any other in the page.</param>
    public static string Draw(Plot plot, double width, double height, string id)
    {
        var exporter = new SvgExporter { Width = width, Height = height, IsDocument = false, UseVerticalTextAlignmentWorkaround = true };
        var svg = exporter.ExportToString(Model(plot, width));
        svg = Fill().Replace(svg, match => Variables.GetValueOrDefault(match.Value.Replace(" ", "", StringComparison.Ordinal), match.Value));
        svg = ClipId().Replace(svg, match => match.Groups["before"].Value + id + match.Groups["name"].Value);
        var label = System.Net.WebUtility.HtmlEncode(plot.Title);
        return SvgTag().Replace(svg, string.Create(CultureInfo.InvariantCulture, $"<svg viewBox=\"0 0 {width} {height}\" role=\"img\" aria-label=\"{label}\">"), 1);
    }

    /// <summary>The dashes of a tone: colours alone are not for everybody.</summary>
    public static double[]? Dashes(Tone tone) => tone switch
    {
        Tone.Third => [6, 3],
        Tone.Fourth => [2, 2],
        Tone.Fifth => [8, 3, 2, 3],
        Tone.Reference => [3, 3],
        _ => null,
    };

    public static double Thickness(Tone tone) => tone switch { Tone.Malha => 2.4, Tone.Reference => 1.2, _ => 1.8 };

    private static OxyColor Colour(Tone tone) => OxyColor.FromRgb(1, 3, (byte)(1 + (int)tone));

    private static string Stands(OxyColor colour) => string.Create(CultureInfo.InvariantCulture, $"rgb({colour.R},{colour.G},{colour.B})");

    private static PlotModel Model(Plot plot, double width)
    {
        var model = new PlotModel
        {
            DefaultFont = "inherit",
            DefaultFontSize = FontSize,
            TextColor = Ink,
            PlotAreaBorderColor = OxyColors.Transparent,
            Background = OxyColors.Undefined,
            Padding = new OxyThickness(16, 8, 12, 4),
        };
        // Where it begins within the first second, the axis begins with it.
        var first = plot.Series.SelectMany(series => series.X).Min();
        model.Axes.Add(Styled(new LinearAxis { Minimum = first <= 1 ? 0 : first }, AxisPosition.Bottom, plot.XAxis));
        var top = plot.YMax ?? 1.08 * plot.Series.SelectMany(series => series.Y).Where(double.IsFinite).DefaultIfEmpty(1).Max();
        Axis y = plot.LogY
            ? new LogarithmicAxis { Minimum = plot.Series.SelectMany(series => series.Y).Where(value => value > 0).Min() / 1.5, Maximum = top * 1.5 }
            : new LinearAxis { Minimum = 0, Maximum = top };
        model.Axes.Add(Styled(y, AxisPosition.Left, null));
        y.MajorGridlineStyle = LineStyle.Solid;
        y.MajorGridlineColor = Faint;
        foreach (var band in plot.Bands)
            model.Annotations.Add(Shade(band, top, width));
        foreach (var series in plot.Series)
            model.Series.Add(Line(series));
        return model;
    }

    private static Axis Styled(Axis axis, AxisPosition position, string? title)
    {
        axis.Position = position;
        axis.Title = title;
        axis.TitleFontSize = FontSize;
        axis.TitleColor = Ink;
        axis.TextColor = Ink;
        axis.TicklineColor = Faint;
        axis.MinorTickSize = 0;
        axis.AxislineStyle = LineStyle.Solid;
        axis.AxislineColor = Faint;
        axis.AxisTitleDistance = 10;
        axis.MaximumPadding = 0;
        axis.MinimumPadding = 0;
        axis.StringFormat = position == AxisPosition.Left ? "#,0.##" : "0.##";
        return axis;
    }

    private static RectangleAnnotation Shade(Band band, double top, double width) => new()
    {
        MinimumX = band.From,
        MaximumX = band.To,
        Fill = BandFill,
        Stroke = OxyColors.Transparent,
        StrokeThickness = 0,
        Layer = AnnotationLayer.BelowSeries,
        Text = band.Name,
        TextColor = BandInk,
        FontSize = width < 400 ? FontSize - 1 : FontSize,
        TextHorizontalAlignment = HorizontalAlignment.Left,
        TextVerticalAlignment = VerticalAlignment.Top,
        TextPosition = new DataPoint(band.From, top),
    };

    private static LineSeries Line(Series series)
    {
        var line = series.Steps ? new StairStepSeries() : new LineSeries();
        line.Color = Colour(series.Tone);
        line.StrokeThickness = Thickness(series.Tone);
        line.LineStyle = LineStyle.Solid;
        line.Dashes = Dashes(series.Tone);
        line.LineJoin = LineJoin.Round;
        for (var i = 0; i < series.X.Count; i++)
        {
            if (double.IsFinite(series.Y[i]))
                line.Points.Add(new DataPoint(series.X[i], series.Y[i]));
        }

        return line;
    }

    [GeneratedRegex(@"rgb\(\s*\d+\s*,\s*\d+\s*,\s*\d+\s*\)", RegexOptions.CultureInvariant)]
    private static partial Regex Fill();

    [GeneratedRegex("(?<before>id=\"|url\\(#)(?<name>[A-Za-z]+\\d+)", RegexOptions.CultureInvariant)]
    private static partial Regex ClipId();

    [GeneratedRegex("<svg[^>]*>", RegexOptions.CultureInvariant)]
    private static partial Regex SvgTag();
}
