using Malha.IntegrationTests.Harness;

namespace Malha.IntegrationTests.Guard;

/// <summary>
/// The judges judged: the tests' strict reader against llhttp's traces, and the list of deviations against both. No proxy is needed.
/// </summary>
public sealed class LlhttpCorpusTests
{
    private readonly IReadOnlyList<LlhttpCase> _requests = LlhttpCorpus.Requests;
    private readonly IReadOnlyList<LlhttpCase> _responses = LlhttpCorpus.Responses;

    public LlhttpCorpusTests() => Assert.SkipWhen(Corpora.Folder("llhttp") == null, Corpora.Absent);

    [Fact]
    public void Every_case_of_the_corpus_is_read()
    {
        Assert.InRange(_requests.Count, 162, int.MaxValue);
        Assert.InRange(_responses.Count, 84, int.MaxValue);
        Assert.All(_requests.Concat(_responses), given => Assert.NotEmpty(given.Trace));
        Assert.Equal(_requests.Count, _requests.Select(given => given.Name).Distinct().Count());
    }

    [Fact]
    public void Every_deviation_names_a_case()
    {
        Assert.Subset(_requests.Select(given => given.Name).ToHashSet(), LlhttpDeviations.Requests.Keys.ToHashSet());
    }

    [Fact]
    public void Strict_reader_and_trace_agree_on_requests_outside_the_list()
    {
        var listed = LlhttpDeviations.Requests.Keys.ToList();
        var cases = LlhttpRequestCases.ByName.Values.Where(guardCase => !listed.Exists(name => guardCase.Name.StartsWith(name, StringComparison.Ordinal)));
        Assert.All(cases, guardCase =>
        {
            var letter = GuardCase.Read(guardCase.Name, guardCase.Bytes);
            Assert.Equal(letter.Forwarded.Select(Essence), guardCase.Forwarded.Select(Essence));
            // llhttp tells some faults before the head is whole, which this reader does not.
            Assert.True(letter.Tail == guardCase.Tail || (letter.Tail == GuardTail.Unfinished && guardCase.Tail == GuardTail.Refused));
        });
    }

    [Fact]
    public void What_llhttp_takes_only_leniently_is_refused_by_the_letter()
    {
        // A switch that only ignores an order (go on after close) leaves good messages before it.
        var taken = _requests.Where(given => given.IsLenient)
            .Select(given => LlhttpRequestCases.ByName.Values.Last(guardCase => guardCase.Name.StartsWith(given.Name, StringComparison.Ordinal)))
            .Where(guardCase => guardCase.Tail is not (GuardTail.Refused or GuardTail.NotProcessed));
        Assert.Empty(taken.Select(guardCase => guardCase.Name));
    }

    [Fact]
    public void Strict_reader_and_trace_agree_on_responses_outside_the_list()
    {
        // By the letter, "data after close" is a good answer and then a dropped connection, and a pause is no fault.
        var differing = _responses
            .Where(given => (given.HasError && !given.HasDataAfterClose) || given.IsLenient
                ? ReplyCase.Read(given.Name, given.Input).Ruling == ReplyRuling.Pass && !given.Type.Contains("keep-alive", StringComparison.Ordinal)
                    && !given.Type.Contains("data-after-close", StringComparison.Ordinal)
                : ReplyCase.Read(given.Name, given.Input).Ruling == ReplyRuling.Bad)
            .Select(given => given.Name);
        Assert.Equal(LlhttpResponseCases.Deviations.Keys.Order(StringComparer.Ordinal), differing.Order(StringComparer.Ordinal));
    }

    private static string Essence(WireRequest request) =>
        $"{request.Method} {request.Target} {string.Join('|', request.Fields)} {WireText.Show(request.Body)} {string.Join('|', request.Trailers)}";
}
