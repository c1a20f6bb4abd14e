namespace Malha.IntegrationTests.Harness;

/// <summary>A whole request that the origin got, on which of its connections and as which of all its requests (both count from 1).</summary>
internal sealed record OriginRequest(int Sequence, int Connection, WireRequest Message);

/// <summary>What one connection got since a mark and what is left when its whole requests are taken away.</summary>
internal sealed record OriginLeftover(int Connection, byte[] Bytes, string? Fault);

/// <summary>All that the origin got since a mark.</summary>
internal sealed record OriginSeen(IReadOnlyList<OriginRequest> Requests, IReadOnlyList<OriginLeftover> Leftovers)
{
    public string Show()
    {
        var requests = Requests.Select(request =>
            $"  connection {request.Connection}: {request.Message.Method} {request.Message.Target} {request.Message.Version}, "
            + string.Join(" | ", request.Message.Fields.Select(field => $"{field.Name}: {field.Value}"))
            + $", {request.Message.Body.Length} bytes: {WireText.Show(request.Message.Body, 80)}");
        var leftovers = Leftovers.Select(left => $"  connection {left.Connection}: {left.Fault ?? "unfinished"}: {WireText.Show(left.Bytes)}");
        var all = string.Join('\n', requests.Concat(leftovers));
        return all.Length == 0 ? "  nothing" : all;
    }
}

/// <summary>A place in the origin's record.</summary>
internal readonly record struct OriginMark(int Requests, IReadOnlyDictionary<int, long> Received);
