using System.Globalization;
using System.Text;

namespace Malha.Configuration;

/// <summary>Text from outside made fit for a message: nothing in it can move the cursor, reorder the line or fill the screen.</summary>
internal static class Printable
{
    private const int Longest = 60;

    /// <summary>The text in quotation marks, escaped and cut.</summary>
    public static string Quote(string text)
    {
        var cut = text.Length > Longest;
        // A cut between the halves of a surrogate pair is harmless: a lone half is escaped.
        var shown = Escape(cut ? text[..Longest] : text).Replace("\"", "\\\"", StringComparison.Ordinal);
        return cut ? $"\"{shown}…\"" : $"\"{shown}\"";
    }

    /// <summary>The text with everything escaped that is not a visible character or a space.</summary>
    public static string Escape(string text)
    {
        StringBuilder? escaped = null;
        for (var i = 0; i < text.Length;)
        {
            var length = char.IsSurrogatePair(text, i) ? 2 : 1;
            if (!IsVisible(CharUnicodeInfo.GetUnicodeCategory(text, i)) && text[i] != ' ')
            {
                escaped ??= new StringBuilder(text, 0, i, text.Length + 16);
                for (var j = 0; j < length; j++)
                    escaped.Append("\\u").Append(((int)text[i + j]).ToString("x4", CultureInfo.InvariantCulture));
            }
            else
            {
                escaped?.Append(text, i, length);
            }

            i += length;
        }

        return escaped?.ToString() ?? text;
    }

    private static bool IsVisible(UnicodeCategory category) => category is not
        (UnicodeCategory.Control or UnicodeCategory.Format or UnicodeCategory.Surrogate or UnicodeCategory.PrivateUse
        or UnicodeCategory.OtherNotAssigned or UnicodeCategory.LineSeparator or UnicodeCategory.ParagraphSeparator or UnicodeCategory.SpaceSeparator);
}
