using System.Net.Sockets;

namespace Malha.IntegrationTests.Harness;

/// <summary>
/// What the origin does instead of echoing. <see cref="AtHead"/>: as soon as the request's head is there, the body may still be on its way.
/// After the script the connection reads on, unless the script ended it.
/// </summary>
internal sealed record OriginScript(Func<OriginReply, Task> Play, bool AtHead = false)
{
    /// <summary>Sends and keeps the connection open, as a server does that believes its answer was good.</summary>
    public static OriginScript SendAndStay(byte[] answer) => new(reply => reply.SendAsync(answer));

    public static OriginScript SendThenClose(byte[] answer) => new(async reply =>
    {
        await reply.SendAsync(answer);
        reply.Close();
    });

    public static OriginScript SendThenReset(byte[] answer) => new(async reply =>
    {
        await reply.SendAsync(answer);
        reply.Reset();
    });
}

/// <summary>The origin's side of one exchange, for a script.</summary>
internal sealed class OriginReply(Socket socket, WireRequest request)
{
    public WireRequest Request { get; } = request;

    /// <summary>Set by a script that switched protocols: what comes next is recorded and not read as requests.</summary>
    public bool IsTunnel { get; set; }

    public async Task SendAsync(byte[] bytes)
    {
        for (var sent = 0; sent < bytes.Length;)
            sent += await socket.SendAsync(bytes.AsMemory(sent));
    }

    /// <summary>Ends the stream in order: a FIN after all that was sent.</summary>
    public void Close() => socket.Shutdown(SocketShutdown.Send);

    /// <summary>Ends it as a killed process does: a RST.</summary>
    public void Reset()
    {
        socket.LingerState = new LingerOption(true, 0);
        socket.Close();
    }
}
