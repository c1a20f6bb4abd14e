using System.Globalization;

namespace Malha.Lab.Reports;

/// <summary>How a cell is to be read.</summary>
internal enum Mark
{
    None = 0,
    Good = 1,
    Bad = 2,
}

/// <summary>One cell: what people read, and the figure behind it where it is one.</summary>
internal sealed record Cell(string Text, double? Value = null, Mark Mark = Mark.None)
{
    public static implicit operator Cell(string text) => new(text);

    /// <summary>A figure with so many digits after the point; an infinite one is "never".</summary>
    public static Cell Number(double value, int digits = 0, string unit = "")
    {
        if (!double.IsFinite(value))
            return new Cell(value > 0 ? "never" : "none", value);
        return new Cell(value.ToString("#,0." + new string('0', digits), CultureInfo.InvariantCulture) + unit, value);
    }

    public static Cell Share(double value, int digits = 1) => Number(100 * value, digits, " %") with { Value = value };

    public Cell Judged(bool holds) => this with { Mark = holds ? Mark.Good : Mark.Bad };
}

/// <summary>A table of figures.</summary>
internal sealed record FigureTable(string Caption, IReadOnlyList<string> Columns, IReadOnlyList<IReadOnlyList<Cell>> Rows)
{
    /// <summary>How many of the first columns hold words rather than figures.</summary>
    public int TextColumns { get; init; } = 1;
}

/// <summary>Whose line a series is: the same colour means the same in all plots.</summary>
internal enum Tone
{
    Naive = 0,
    Malha = 1,

    /// <summary>Beside the two: a control, or half of what Malha does.</summary>
    Third = 2,
    Fourth = 3,
    Fifth = 4,

    /// <summary>What was asked for, published, or computed.</summary>
    Reference = 5,
}

/// <summary>One line of a plot.</summary>
internal sealed record Series(string Name, Tone Tone, IReadOnlyList<double> X, IReadOnlyList<double> Y)
{
    /// <summary>Keeps its value until the next one: states and counts.</summary>
    public bool Steps { get; init; }

    public static Series Of(string name, Tone tone, IEnumerable<(double X, double Y)> points)
    {
        var all = points.ToList();
        return new Series(name, tone, all.ConvertAll(point => point.X), all.ConvertAll(point => point.Y));
    }

    /// <summary>One value per second, each drawn at the middle of its second.</summary>
    public static Series PerSecond(string name, Tone tone, IEnumerable<double> values) =>
        Of(name, tone, values.Select((value, second) => (second + .5, value)));
}

/// <summary>A stretch of the x axis in which something is done to the service.</summary>
internal sealed record Band(double From, double To, string Name);

/// <summary>Lines over a common axis.</summary>
internal sealed record Plot(string Title, string XAxis, string YAxis, IReadOnlyList<Series> Series)
{
    public IReadOnlyList<Band> Bands { get; init; } = [];

    public bool LogY { get; init; }

    public double? YMax { get; init; }
}
