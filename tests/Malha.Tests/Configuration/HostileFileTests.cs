using System.Globalization;
using System.Text.Encodings.Web;
using System.Text.Json;
using CsCheck;
using Malha.Configuration.Reading;

namespace Malha.Tests.Configuration;

/// <summary>Whatever a file holds: nothing is thrown, every error has a place within the file, and no error can harm a terminal.</summary>
public sealed class HostileFileTests
{
    private const string Good = """
        listeners:
          edge: { address: 127.0.0.1:8080, trustedProxies: [10.0.0.0/8], headerTimeout: 5s, maxHeaderSize: 16KiB }
        admin: { address: "127.0.0.1:9700", token: env:MALHA_TOKEN }
        services:
          payments: &p
            endpoints: [ http://127.0.0.1:7001, { url: "127.0.0.1:7002", weight: 2 } ]
            timeout: 2s   # a comment
            maxBody: off
            capacity: { rate: 60/min, burst: 10 }
            concurrency: { min: 2, max: 1000 }
            retry: { attempts: 2, backoff: linear, base: 50ms, budget: { ratio: 10%, floor: 1/s } }
            hedge: { delay: p95 }
            breaker: { failures: 12.5%, consecutive: off, slow: { over: 1s, rate: 50% }, open: 5s..300s, probes: 3, successes: 2, ramp: off }
          web:
            <<: *p
            balance: round-robin
        routes:
          - match: { host: "*.example", path: "/users/{id}/**", methods: [GET, POST], headers: { X-A: { present: true } }, query: { a: 'b' } }
            service: payments
            headers: { request: { set: { Host: a.example }, remove: [X-B] } }
          - match: { path: /old/** }
            redirect: { to: "https://{host}{path}{query}", status: 308 }
          - respond:
              status: 404
              body: |
                nothing
                here
        accessLog: { format: json, sample: 50% }
        """;

    private static readonly string[] Snippets =
    [
        "\n", "\r", "\t", " ", ":", "-", "- ", "? ", "#", "\"", "'", "[", "]", "{", "}", ",", "&a ", "*a", "<<: *p", "!t ", "|\n", ">", "%", "@", "`", "\\",
        "\0", "\u001b[2J", "\u0085", "\u2028", "\u202e", "\ufeff", "\ud800", "😀", "---\n", "...\n", "null", "~", "off", "0", "-1", "1e9", "5s", "env:X", "file:", "\"\\u0000\"",
    ];

    private static readonly Gen<string> Mutated =
        from edits in Gen.Select(Gen.Int[0, Good.Length], Gen.Int[0, 30], Gen.Int[0, 40], Gen.Int[0, Snippets.Length - 1], Gen.Int[0, 3]).Array[1, 6]
        select Mutate(edits);

    [Fact]
    public void The_file_is_good_before_anything_is_done_to_it() => Yaml.Good(Good);

    [Fact]
    public void Random_changes_are_read_or_refused_in_order() => Mutated.Sample(Judge, seed: "0N0XIzNsQ0O2", iter: Iterations(5_000));

    [Fact]
    public void Random_text_is_refused_in_order() =>
        Gen.OneOf(Gen.Const(Snippets).Select(Gen.Int[0, Snippets.Length - 1], (all, i) => all[i]), Gen.Char.Select(c => c.ToString()), Gen.String[1, 5]).Array[0, 60]
            .Select(string.Concat).Sample(Judge, seed: "0N0XIzNsQ0O2", iter: Iterations(5_000));

    [Fact]
    public void Every_beginning_of_the_file_is_read_or_refused_in_order()
    {
        for (var length = 0; length < Good.Length; length++)
            Judge(Good[..length]);
    }

    [Fact]
    public void Naughty_strings_as_keys_and_values_are_read_or_refused_in_order()
    {
        var corpus = Repository.Corpus("blns");
        Assert.SkipWhen(corpus is null, "the corpus blns is not here: set MALHA_CORPORA to the directory that has it");
        var strings = JsonSerializer.Deserialize<string[]>(File.ReadAllText(Path.Combine(corpus!, "blns.json")))!;
        Assert.True(strings.Length > 500);
        // As they are, with escapes only where YAML needs them.
        var raw = new JsonSerializerOptions { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };
        foreach (var text in strings)
        {
            var quoted = JsonSerializer.Serialize(text, raw);
            Judge(text);
            Judge($"{quoted}: {quoted}");
            Judge(Yaml.Edge + $"services: {{ {quoted}: {{ endpoints: [{quoted}], timeout: {quoted}, {quoted}: 1, tls: {{ serverName: {quoted}, ca: {quoted} }} }} }}");
            Judge(Yaml.Edge + $"services: {{ a: {{ capacity: {quoted}, concurrency: {quoted}, retry: {quoted}, hedge: {{ delay: {quoted} }}, {quoted}: {{}} }} }}");
            Judge(Yaml.Edge + $"services: {{ a: {{ breaker: {{ open: {quoted}, failures: {quoted}, slow: {quoted} }}, retry: {{ budget: {quoted} }} }} }}");
            Judge(Yaml.Edge + $"admin: {{ address: {quoted}, token: {quoted}, allowedHosts: [{quoted}] }}");
            Judge(Yaml.Edge + $"routes: [{{ name: {quoted}, service: {quoted}, match: {{ host: {quoted}, path: {quoted}, methods: [{quoted}], headers: {{ {quoted}: {quoted} }} }} }}]");
            Judge(Yaml.Edge + $"routes: [{{ redirect: {{ to: {quoted} }}, headers: {{ response: {{ set: {{ {quoted}: {quoted} }}, remove: [{quoted}] }} }} }}]");
            Judge(Yaml.Edge + $"routes: [{{ match: {{ query: {{ {quoted}: {quoted} }} }}, respond: {{ body: {quoted}, contentType: {quoted}, headers: {{ A: {quoted} }} }} }}]");
        }
    }

    [Fact]
    public void A_message_escapes_what_a_terminal_would_obey()
    {
        var error = Yaml.Error(Yaml.Edge + "accessLog: { format: \"\\e[2J\\u202e\\u0007\\u200b\" }");
        Assert.Equal("malha.yaml:2:22: accessLog.format: \"\\u001b[2J\\u202e\\u0007\\u200b\" is none of the choices. Allowed: auto, text, json, off", error);
    }

    [Fact]
    public void A_long_value_is_cut_in_the_message()
    {
        var error = Yaml.Error(Yaml.Edge + $"accessLog: {{ format: {new string('x', 100_000)} }}");
        Assert.InRange(error.Length, 60, 200);
    }

    [Fact]
    public void Ten_thousand_routes_are_compared_with_each_other_once_each()
    {
        // All have one condition: a comparison of every pair would be 50 million.
        var routes = string.Concat(Enumerable.Repeat("  - { match: { host: a.example, path: /a/** }, respond: {} }\n", 10_000));
        var result = Yaml.Read(Yaml.Edge + "routes:\n" + routes);
        Assert.Equal(ErrorList.Limit + 1, result.Errors.Count);
    }

    private static void Judge(string text)
    {
        var lines = text.Replace("\r\n", "\n", StringComparison.Ordinal).Replace('\r', '\n').Split('\n');
        foreach (var error in Yaml.Read(text).Errors)
        {
            var printed = error.ToString();
            if (error.Line == 0)
                Assert.EndsWith("more errors are not shown", printed, StringComparison.Ordinal);
            else if (error.Line > lines.Length || error.Column < 1 || error.Column > lines[error.Line - 1].Length + 1)
                Assert.Fail($"no such place in the file: {printed}");
            foreach (var (c, category) in printed.Select(c => (c, char.GetUnicodeCategory(c))))
            {
                if (category is UnicodeCategory.Control or UnicodeCategory.Format or UnicodeCategory.LineSeparator or UnicodeCategory.ParagraphSeparator)
                    Assert.Fail($"U+{(int)c:X4} is not escaped: {printed}");
            }
        }
    }

    private static string Mutate((int At, int Length, int From, int Snippet, int Kind)[] edits)
    {
        var text = Good;
        foreach (var (at, length, from, snippet, kind) in edits)
        {
            var start = Math.Min(at, text.Length);
            var end = Math.Min(start + length, text.Length);
            var other = Math.Min(from * 20, text.Length);
            text = kind switch
            {
                0 => text.Remove(start, end - start),
                1 => text.Insert(start, Snippets[snippet]),
                2 => text.Remove(start, end - start).Insert(start, Snippets[snippet]),
                _ => text.Insert(start, text[other..Math.Min(other + length, text.Length)]),
            };
        }

        return text;
    }

    private static int Iterations(int usual) => Environment.GetEnvironmentVariable("MALHA_TEST_ALL") == "1" ? usual * 20 : usual;
}
