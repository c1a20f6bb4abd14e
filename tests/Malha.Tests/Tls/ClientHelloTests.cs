using System.Net.Security;
using System.Security.Authentication;
using Malha.Proxy.Tls;

namespace Malha.Tests.Tls;

public sealed class ClientHelloTests
{
    [Theory]
    [InlineData(SslProtocols.Tls12, false)]
    [InlineData(SslProtocols.Tls13, true)]
    [InlineData(SslProtocols.Tls12 | SslProtocols.Tls13, true)]
    public async Task Hello_of_a_real_client_tells_whether_it_speaks_1_3(SslProtocols protocols, bool expected)
    {
        var hello = await RecordAsync(protocols);
        Assert.Equal(expected, ClientHello.OffersTls13(hello));
    }

    [Fact]
    public async Task Hello_that_is_cut_or_spoilt_anywhere_offers_nothing_or_what_it_says_and_never_fails()
    {
        var hello = await RecordAsync(SslProtocols.Tls12 | SslProtocols.Tls13);
        for (var length = 0; length < hello.Length; length++)
            ClientHello.OffersTls13(hello.AsSpan(0, length));
        Assert.False(ClientHello.OffersTls13(hello.AsSpan(0, 60)));
        var random = new Random(3);
        for (var count = 0; count < 20_000; count++)
        {
            var spoilt = hello.ToArray();
            for (var changes = random.Next(1, 4); changes > 0; changes--)
                spoilt[random.Next(spoilt.Length)] = (byte)random.Next(256);
            ClientHello.OffersTls13(spoilt);
        }
    }

    private static async Task<byte[]> RecordAsync(SslProtocols protocols)
    {
        using var wire = new MemoryStream();
        await using var stream = new SslStream(new FirstFlight(wire));
        var options = new SslClientAuthenticationOptions { TargetHost = "shop.example", EnabledSslProtocols = protocols };
        await Assert.ThrowsAnyAsync<Exception>(() => stream.AuthenticateAsClientAsync(options, TestContext.Current.CancellationToken));
        return wire.ToArray();
    }

    /// <summary>Keeps what is written, and ends at the first read.</summary>
    private sealed class FirstFlight(MemoryStream wire) : MemoryStream
    {
        public override ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default) => wire.WriteAsync(buffer, cancellationToken);

        public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default) => new(0);
    }
}
