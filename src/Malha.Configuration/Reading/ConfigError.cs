using System.Text;

namespace Malha.Configuration;

/// <summary>
/// One thing that is wrong with a configuration: where, what, and what would be right. Safe to print: control characters are escaped.
/// </summary>
/// <param name="File">The file as it was named.</param>
/// <param name="Line">From 1; 0 when the file as a whole is meant.</param>
/// <param name="Column">From 1, in UTF-16 units; 0 when the file as a whole is meant.</param>
/// <param name="Path">The path of the key (<c>services.payments.timeout</c>); empty for the file as a whole and for faults in its syntax.</param>
/// <param name="Problem">What is wrong.</param>
/// <param name="Suggestion">What was probably meant, or null.</param>
/// <param name="Allowed">What may stand there, or null.</param>
public sealed record ConfigError(string File, int Line, int Column, string Path, string Problem, string? Suggestion = null, string? Allowed = null)
{
    /// <summary><c>malha.yaml:12:5: services.payments.timout: unknown key; did you mean "timeout"? Allowed: …</c></summary>
    public override string ToString()
    {
        var text = new StringBuilder(Printable.Escape(File));
        if (Line > 0)
            text.Append(':').Append(Line).Append(':').Append(Column);
        if (Path.Length > 0)
            text.Append(": ").Append(Path);
        text.Append(": ").Append(Problem);
        if (Suggestion is not null)
            text.Append("; did you mean \"").Append(Suggestion).Append("\"?");
        if (Allowed is not null)
            text.Append(Suggestion is null ? ". Allowed: " : " Allowed: ").Append(Allowed);
        return text.ToString();
    }
}
