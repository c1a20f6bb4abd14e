using System.Globalization;

namespace Malha.Bench.Delivery;

/// <summary>`--name value` pairs.</summary>
internal sealed class Arguments(string[] words)
{
    public string Text(string name, string otherwise) => Array.IndexOf(words, $"--{name}") is >= 0 and var at && at + 1 < words.Length ? words[at + 1] : otherwise;

    public long Number(string name, long otherwise) => long.Parse(Text(name, otherwise.ToString(CultureInfo.InvariantCulture)), CultureInfo.InvariantCulture);
}
