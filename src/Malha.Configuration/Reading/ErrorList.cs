using System.Globalization;

namespace Malha.Configuration.Reading;

/// <summary>Collects what is wrong. It keeps the first <see cref="Limit"/> errors and counts the rest: nobody reads more.</summary>
internal sealed class ErrorList(string file)
{
    public const int Limit = 1000;

    private readonly List<ConfigError> _errors = [];

    public int Count { get; private set; }

    public void Add(int line, int column, string path, string problem, string? suggestion = null, string? allowed = null)
    {
        Count++;
        if (_errors.Count < Limit)
            _errors.Add(new ConfigError(file, line, column, path, problem, suggestion, allowed));
    }

    public void Add(SourceSpan place, string problem, string? suggestion = null, string? allowed = null) =>
        Add(place.Line, place.Column, place.Path, problem, suggestion, allowed);

    /// <summary>In the order of the file.</summary>
    public IReadOnlyList<ConfigError> ToSorted()
    {
        // OrderBy is stable: errors of one place stay in the order in which they were found.
        List<ConfigError> sorted = [.. _errors.OrderBy(error => error.Line).ThenBy(error => error.Column)];
        if (Count > Limit)
            sorted.Add(new ConfigError(file, 0, 0, "", string.Create(CultureInfo.InvariantCulture, $"{Count - Limit} more errors are not shown")));
        return sorted;
    }
}
