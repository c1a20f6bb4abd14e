using Malha.IntegrationTests.Harness;

namespace Malha.IntegrationTests.Guard;

/// <summary>Sends a good case once for every place where it can be cut in two, and compares what arrives with what arrives of the whole.</summary>
internal sealed class SplitJudge(ProxyUnderTest proxy, RecordingOrigin origin, CancellationToken cancellation)
{
    /// <summary>What is wrong at the first cut that is; null when every cut gives the same.</summary>
    public async Task<string?> JudgeAsync(GuardCase guardCase)
    {
        var mark = await origin.MarkAsync();
        for (var cut = 1; cut < guardCase.Bytes.Length; cut++)
        {
            if (await SendCutAsync(guardCase, cut) is { } wrong)
                return $"{guardCase.Name}, cut after {cut} bytes: {wrong}\n{WireText.Show(guardCase.Bytes)}";
        }
        var seen = await origin.SinceAsync(mark);
        var expected = (guardCase.Bytes.Length - 1) * guardCase.Forwarded.Count;
        if (seen.Requests.Count != expected)
            return $"{guardCase.Name}: the origin saw {seen.Requests.Count} requests instead of {expected}";
        for (var i = 0; i < seen.Requests.Count; i++)
        {
            var differences = Faithful.Differences(guardCase.Forwarded[i % guardCase.Forwarded.Count], seen.Requests[i].Message).ToList();
            if (differences.Count > 0)
                return $"{guardCase.Name}, cut after {(i / guardCase.Forwarded.Count) + 1} bytes: {string.Join(", ", differences)}";
        }
        return seen.Leftovers.FirstOrDefault(leftover => leftover.Fault != null || guardCase.Tail != GuardTail.Unfinished) is { } left
            ? $"{guardCase.Name}: the origin got bytes that are no whole request: {WireText.Show(left.Bytes)}"
            : null;
    }

    private async Task<string?> SendCutAsync(GuardCase guardCase, int cut)
    {
        await using var client = await RawClient.ConnectAsync(proxy.Port, cancellation);
        await client.SendInPiecesAsync([guardCase.Bytes.AsMemory(..cut), guardCase.Bytes.AsMemory(cut..)]);
        foreach (var sent in guardCase.Forwarded)
        {
            var read = await client.ReadAnswerAsync(sent.Method);
            if (read.State != AnswerState.Complete || read.Answer!.Value("X-Origin-Connection") == null)
                return $"{sent.Method} {sent.Target} was answered: {read.Show()}";
        }
        if (guardCase.Tail == GuardTail.Refused)
        {
            var read = await client.ReadAnswerAsync("GET");
            return read.IsRefusal ? null : $"it was not refused: {read.Show()}";
        }
        if (guardCase.Tail == GuardTail.Unfinished)
            client.FinishSending();
        return guardCase.Tail != GuardTail.Done && await client.ReadToEndAsync() == ClientEnd.StillOpen ? "the connection stayed open" : null;
    }
}
