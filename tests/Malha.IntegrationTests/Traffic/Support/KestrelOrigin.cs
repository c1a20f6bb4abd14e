using System.Globalization;
using System.Net.WebSockets;
using System.Security.Cryptography;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace Malha.IntegrationTests.Traffic.Support;

/// <summary>
/// A real Kestrel: <c>/socket</c> echoes WebSocket messages, <c>/hash</c> answers a body's hash, length and the request's id, <c>/bytes</c> answers so many bytes.
/// </summary>
internal sealed class KestrelOrigin : IAsyncDisposable
{
    private readonly WebApplication _app;

    private KestrelOrigin(WebApplication app) => _app = app;

    public string Url => _app.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.First();

    public static async Task<KestrelOrigin> StartAsync()
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseUrls("http://127.0.0.1:0");
        builder.WebHost.ConfigureKestrel(kestrel => kestrel.Limits.MaxRequestBodySize = null);
        var app = builder.Build();
        app.UseWebSockets();
        app.Map("/socket", EchoAsync);
        app.Map("/hash", HashAsync);
        app.Map("/bytes", BytesAsync);
        await app.StartAsync(TestContext.Current.CancellationToken);
        return new KestrelOrigin(app);
    }

    public async ValueTask DisposeAsync()
    {
        using var patience = new CancellationTokenSource(TimeSpan.FromSeconds(1));
        await _app.StopAsync(patience.Token);
        await _app.DisposeAsync();
    }

    private static async Task EchoAsync(HttpContext context)
    {
        using var socket = await context.WebSockets.AcceptWebSocketAsync();
        var buffer = new byte[4096];
        while (true)
        {
            var result = await socket.ReceiveAsync(buffer.AsMemory(), context.RequestAborted);
            if (result.MessageType == WebSocketMessageType.Close)
            {
                await socket.CloseOutputAsync(WebSocketCloseStatus.NormalClosure, "bye", context.RequestAborted);
                return;
            }
            await socket.SendAsync(buffer.AsMemory(0, result.Count), result.MessageType, result.EndOfMessage, context.RequestAborted);
        }
    }

    private static async Task HashAsync(HttpContext context)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        var buffer = new byte[32 * 1024];
        var length = 0L;
        while (await context.Request.Body.ReadAsync(buffer, context.RequestAborted) is > 0 and var count)
        {
            hash.AppendData(buffer, 0, count);
            length += count;
        }
        context.Response.Headers["X-Id"] = context.Request.Headers["X-Id"];
        await context.Response.WriteAsync($"{Convert.ToHexStringLower(hash.GetHashAndReset())} {length}");
    }

    private static async Task BytesAsync(HttpContext context)
    {
        var count = int.Parse(context.Request.Query["n"]!, CultureInfo.InvariantCulture);
        context.Response.Headers["X-Id"] = context.Request.Headers["X-Id"];
        await context.Response.Body.WriteAsync(BodyPattern.Bytes((ulong)count, count), context.RequestAborted);
    }
}
