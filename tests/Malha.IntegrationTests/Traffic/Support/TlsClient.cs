using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Authentication;
using System.Security.Cryptography.X509Certificates;
using Malha.IntegrationTests.Harness;

namespace Malha.IntegrationTests.Traffic.Support;

/// <summary>A client over TLS. It takes any certificate: tests look at what they got.</summary>
internal sealed class TlsClient : IAsyncDisposable
{
    private readonly SslStream _stream;

    private TlsClient(Peer peer, SslStream stream)
    {
        Peer = peer;
        _stream = stream;
    }

    public Peer Peer { get; }

    public SslStream Stream => _stream;

    /// <summary>The common name of the certificate that it was shown.</summary>
    public string ShownName => ((X509Certificate2)_stream.RemoteCertificate!).GetNameInfo(X509NameType.SimpleName, forIssuer: false);

    public static async Task<TlsClient> ConnectAsync(
        int port, string? serverName = "localhost", X509Certificate2? own = null, SslProtocols protocols = SslProtocols.Tls12 | SslProtocols.Tls13, params SslApplicationProtocol[] speaks)
    {
        var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        try
        {
            await socket.ConnectAsync(new IPEndPoint(IPAddress.Loopback, port), TestContext.Current.CancellationToken).AsTask().WaitAsync(Peer.Patience);
            var stream = new SslStream(new NetworkStream(socket, ownsSocket: false));
            await stream.AuthenticateAsClientAsync(new SslClientAuthenticationOptions
            {
                TargetHost = serverName,
                EnabledSslProtocols = protocols,
                ApplicationProtocols = speaks.Length == 0 ? null : [.. speaks],
                RemoteCertificateValidationCallback = static (_, _, _, _) => true,
                ClientCertificateContext = own is null ? null : SslStreamCertificateContext.Create(own, [], offline: true),
            }).WaitAsync(Peer.Patience);
            return new TlsClient(new Peer(socket, stream), stream);
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }

    public async Task<WireAnswer> AskAsync(string request = "GET / HTTP/1.1\r\nHost: shop.example\r\n\r\n", string method = "GET")
    {
        await Peer.SendAsync(request);
        return await Peer.ReadAnswerAsync(method);
    }

    public ValueTask DisposeAsync() => Peer.DisposeAsync();
}
