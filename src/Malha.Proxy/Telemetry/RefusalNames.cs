using System.Text;
using Malha.Proxy.Downstream;
using Malha.Proxy.Http1;

namespace Malha.Proxy.Telemetry;

/// <summary>What logs, metrics and the admin API call a refusal: the same words as in its problem type.</summary>
internal static class RefusalNames
{
    private static readonly string[] Kinds = [.. Enum.GetValues<RefusalKind>().Select(kind => Encoding.ASCII.GetString(Of(kind)))];

    private static readonly string?[] Rules =
        [.. Enum.GetValues<HttpFault>().Select(fault => fault == HttpFault.None ? null : "http." + Kebab(fault.ToString()))];

    /// <summary>Empty when there was none.</summary>
    public static ReadOnlySpan<byte> Of(RefusalKind kind) => kind == RefusalKind.None ? default : ProblemWriter.TypeOf(kind);

    /// <inheritdoc cref="Of"/>
    public static string TextOf(RefusalKind kind) => Kinds[(int)kind];

    /// <summary>The rule of HTTP that a message breaks, such as <c>http.bad-host</c>; null when it breaks none.</summary>
    public static string? RuleOf(HttpFault fault) => Rules[(int)fault];

    private static string Kebab(string name) =>
        string.Concat(name.Select((letter, index) => char.IsAsciiLetterUpper(letter) && index > 0 ? $"-{char.ToLowerInvariant(letter)}" : $"{char.ToLowerInvariant(letter)}"));
}
