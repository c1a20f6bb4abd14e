using Malha.Cli.Admin;
using Malha.Lab.Reports;
using Spectre.Console;

namespace Malha.Cli.Lab;

/// <summary>The report on a terminal: for each experiment its tables and its verdict.</summary>
internal static class LabText
{
    public static void Write(LabReport report, IAnsiConsole console)
    {
        foreach (var experiment in report.Experiments)
        {
            console.Write(new Text($"{experiment.Name}: {experiment.Title}", new Style(decoration: Decoration.Bold)));
            console.WriteLine();
            foreach (var table in experiment.Tables)
            {
                console.WriteLine();
                console.Write(new Text(table.Caption, new Style(decoration: Decoration.Dim)));
                console.WriteLine();
                console.Write(Draw(table));
            }

            console.WriteLine();
            console.Write(new Text(experiment.Verdict.Word, Style(experiment.Verdict.Passed)));
            console.WriteLine($": {experiment.Verdict.Reason}");
            console.WriteLine();
        }

        Summary(report, console);
    }

    private static void Summary(LabReport report, IAnsiConsole console)
    {
        if (report.Experiments.Count > 1)
        {
            var failed = report.Experiments.Where(experiment => !experiment.Verdict.Passed).Select(experiment => experiment.Name).ToList();
            var passed = FormattableString.Invariant($"{report.Experiments.Count - failed.Count} of {report.Experiments.Count} experiments pass");
            console.WriteLine(failed.Count == 0 ? passed : $"{passed}; not {string.Join(", ", failed)}");
        }

        console.WriteLine(FormattableString.Invariant($"seed {report.Seed}; repeat with: {report.Command}"));
    }

    private static Table Draw(FigureTable figures)
    {
        var table = AdminSession.Table([.. figures.Columns]);
        for (var i = figures.TextColumns; i < figures.Columns.Count; i++)
            table.Columns[i].RightAligned();
        foreach (var row in figures.Rows)
            table.AddRow(row.Select(Cell));
        return table;
    }

    private static Text Cell(Cell cell) => cell.Mark switch
    {
        Mark.Good => new Text(cell.Text, Style(true)),
        // A file has no colours.
        Mark.Bad => new Text("! " + cell.Text, Style(false)),
        _ => new Text(cell.Text),
    };

    private static Style Style(bool good) => new(good ? Color.Green : Color.Red);
}
