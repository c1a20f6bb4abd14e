using System.Globalization;

namespace Malha.Configuration;

/// <summary>One HTTP status, or all of a class: written <c>200</c> or <c>2xx</c>.</summary>
public readonly record struct StatusRange(int First, int Last)
{
    public bool Contains(int status) => status >= First && status <= Last;

    public override string ToString() =>
        First == Last ? First.ToString(CultureInfo.InvariantCulture) : string.Create(CultureInfo.InvariantCulture, $"{First / 100}xx");

    /// <summary>Reads one; null when it could, otherwise what is wrong.</summary>
    internal static string? Read(string text, out StatusRange range)
    {
        range = default;
        if (text is [>= '2' and <= '5', 'x' or 'X', 'x' or 'X'])
        {
            var first = (text[0] - '0') * 100;
            range = new StatusRange(first, first + 99);
            return null;
        }

        if (!int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var status) || status is < 200 or > 599)
            return $"{Printable.Quote(text)} is not a status";
        range = new StatusRange(status, status);
        return null;
    }
}
