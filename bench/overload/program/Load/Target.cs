using System.Collections.Concurrent;
using System.Net;
using System.Text;

namespace Malha.Bench.Overload.Load;

/// <summary>Where a stream's calls go: the bytes of its request, and the idle connections, the last used first.</summary>
internal sealed class Target
{
    private readonly ConcurrentStack<Connection> _idle = new();

    public Target(string url, IReadOnlyDictionary<string, string> headers)
    {
        var uri = new Uri(url);
        EndPoint = new IPEndPoint(IPAddress.Parse(uri.Host), uri.Port);
        var text = new StringBuilder($"GET {uri.PathAndQuery} HTTP/1.1\r\nHost: {uri.Authority}\r\n");
        foreach (var (name, value) in headers)
            text.Append(name).Append(": ").Append(value).Append("\r\n");
        Request = Encoding.ASCII.GetBytes(text.Append("\r\n").ToString());
    }

    public IPEndPoint EndPoint { get; }

    public byte[] Request { get; }

    public Connection Take() => _idle.TryPop(out var connection) ? connection : new Connection(this);

    public void Give(Connection connection) => _idle.Push(connection);

    public void CloseIdle()
    {
        while (_idle.TryPop(out var connection))
            connection.Close();
    }
}
