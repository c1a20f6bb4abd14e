using Malha.IntegrationTests.Harness;

namespace Malha.IntegrationTests.Guard;

/// <summary>
/// Asks the proxy for a path whose upstream answers as the case says, and judges: the client's answer, the upstream connection's fate, and
/// whether the next requests are unharmed.
/// </summary>
internal sealed class ReplyJudge(ProxyUnderTest proxy, RecordingOrigin origin, CancellationToken cancellation)
{
    private static int s_count;

    // Fields of the hop, and those that a gateway writes or extends itself.
    private static readonly HashSet<string> Ours = new(StringComparer.OrdinalIgnoreCase)
    {
        "Connection", "Keep-Alive", "Proxy-Connection", "TE", "Trailer", "Transfer-Encoding", "Upgrade", "Content-Length", "Via", "Date", "X-Request-Id",
        "Proxy-Status",
    };

    private readonly List<string> _wrong = [];

    /// <summary>What is wrong, with the transcript; null when all is right.</summary>
    public async Task<string?> JudgeAsync(ReplyCase reply)
    {
        var path = $"/reply/{Interlocked.Increment(ref s_count)}";
        origin.Script(path, reply.Ends ? OriginScript.SendThenClose(reply.Reply) : OriginScript.SendAndStay(reply.Reply));
        var mark = await origin.MarkAsync();
        AnswerRead read;
        await using (var client = await RawClient.ConnectAsync(proxy.Port, cancellation))
        {
            var body = reply.Method == "POST" ? "Content-Length: 5\r\n\r\nhello" : "\r\n";
            await client.SendAsync(WireText.Bytes($"{reply.Method} {path} HTTP/1.1\r\nHost: reply.example\r\n{body}"));
            read = await client.ReadAnswerAsync(reply.Method);
            JudgeAnswer(reply, read);
            if (read.State == AnswerState.Complete && read.Answer!.KeepsConnection && !read.Answer.EndsWithConnection)
                Note(await Canary.Next().SingOnAsync(client));
            else if (await client.ReadToEndAsync() == ClientEnd.StillOpen)
                _wrong.Add("the client's connection stayed open");
        }
        Note(await Canary.Next().SingOnNewConnectionAsync(proxy.Port, cancellation));
        var passed = reply.Ruling == ReplyRuling.Pass || (reply.Ruling == ReplyRuling.Either && read.Answer?.Status == reply.Expected!.Status);
        if (!passed || !reply.LeavesConnection)
            await JudgeDropAsync(path, await origin.SinceAsync(mark));
        if (!proxy.IsRunning)
            _wrong.Add("the proxy has ended");
        return _wrong.Count == 0 ? null : Transcript(reply, read, await origin.SinceAsync(mark));
    }

    private void JudgeAnswer(ReplyCase reply, AnswerRead read)
    {
        var is502 = read.State == AnswerState.Complete && read.Answer!.Status == 502;
        var isCut = read.State == AnswerState.Truncated;
        switch (reply.Ruling)
        {
            case ReplyRuling.Bad when !is502:
                _wrong.Add("the client did not get 502");
                break;
            case ReplyRuling.BadBody when !is502 && !isCut:
                _wrong.Add("the client got neither 502 nor an answer that it can see is cut");
                break;
            case ReplyRuling.Pass:
            case ReplyRuling.Either when !is502:
                JudgePassed(reply, read);
                break;
        }
    }

    private void JudgePassed(ReplyCase reply, AnswerRead read)
    {
        var expected = reply.Expected!;
        if (read.State != AnswerState.Complete)
        {
            _wrong.Add("the client got no whole answer");
            return;
        }
        var answer = read.Answer!;
        if (answer.Status != expected.Status)
            _wrong.Add($"status {answer.Status} instead of {expected.Status}");
        if (!answer.Body.AsSpan().SequenceEqual(expected.Body))
            _wrong.Add($"body {WireText.Show(answer.Body, 200)} instead of {WireText.Show(expected.Body, 200)}");
        if (!read.Interim.Select(interim => interim.Status).SequenceEqual(reply.Interim.Select(interim => interim.Status)))
            _wrong.Add($"interim answers {string.Join(' ', read.Interim.Select(interim => interim.Status))} instead of {string.Join(' ', reply.Interim.Select(interim => interim.Status))}");
        foreach (var trailer in answer.Trailers.Where(trailer => !expected.Trailers.Contains(trailer)))
            _wrong.Add($"a trailer that nobody sent: {trailer.Name}");
        foreach (var name in expected.Fields.Select(field => field.Name).Distinct(StringComparer.OrdinalIgnoreCase).Where(name => !Ours.Contains(name)))
        {
            // What Connection names belongs to the upstream's hop.
            var wanted = expected.HasToken("Connection", name) ? "" : string.Join(", ", expected.Values(name));
            var got = string.Join(", ", answer.Values(name));
            if (got != wanted)
                _wrong.Add($"field {name}: {got} instead of {wanted}");
        }
    }

    /// <summary>No other request on the connections that this answer came from, and an end to each.</summary>
    private async Task JudgeDropAsync(string path, OriginSeen seen)
    {
        var asked = seen.Requests.Where(request => request.Message.Target == path).Select(request => request.Connection).ToHashSet();
        if (asked.Count == 0)
            _wrong.Add("the origin was not asked");
        foreach (var request in seen.Requests.Where(request => request.Message.Target != path && asked.Contains(request.Connection)))
            _wrong.Add($"{request.Message.Target} was sent on the connection of the bad answer");
        foreach (var connection in asked)
        {
            try
            {
                await origin.Connection(connection).Closed.WaitAsync(RawClient.Patience, cancellation);
            }
            catch (TimeoutException)
            {
                _wrong.Add("the upstream connection was not dropped");
            }
        }
    }

    private void Note(string? wrong)
    {
        if (wrong != null)
            _wrong.Add($"afterwards: {wrong}");
    }

    private string Transcript(ReplyCase reply, AnswerRead read, OriginSeen seen) => $"""
        {reply.Name} ({reply.Kind}) through {proxy.Name}:
        {string.Join('\n', _wrong.Select(wrong => $"  - {wrong}"))}
        The upstream's reply to {reply.Method}{(reply.Ends ? ", then the end" : "")}:
        {WireText.Show(reply.Reply)}
        The client's answer: {read.Show()}
        {WireText.Show(read.Bytes)}
        At the origin:
        {seen.Show()}
        The proxy's last words:
        {(proxy.Output.Length > 1500 ? proxy.Output[^1500..] : proxy.Output)}
        """;
}
