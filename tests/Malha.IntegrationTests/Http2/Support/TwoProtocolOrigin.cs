using System.Collections.Concurrent;
using System.Net;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.Extensions.Logging;

namespace Malha.IntegrationTests.Http2.Support;

/// <summary>A real Kestrel that speaks HTTP/1.1 on one port and HTTP/2 in clear on another, and answers by the path of a request.</summary>
internal sealed class TwoProtocolOrigin : IAsyncDisposable
{
    private readonly WebApplication _app;

    private TwoProtocolOrigin(WebApplication app) => _app = app;

    /// <summary>Requests whose end their server has been told of, by path.</summary>
    public ConcurrentBag<string> Aborted { get; } = [];

    /// <summary>Lets <c>/cut</c> break its answer off.</summary>
    public TaskCompletionSource Cut { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>Requests that have come.</summary>
    public ConcurrentBag<string> Came { get; } = [];

    public string Url(int version) => _app.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.ElementAt(version - 1);

    /// <param name="configure">Further services.</param>
    /// <param name="map">Further endpoints.</param>
    /// <param name="certificate">For a third port that speaks HTTP/2 over TLS.</param>
    public static async Task<TwoProtocolOrigin> StartAsync(
        Action<WebApplicationBuilder>? configure = null, Action<WebApplication>? map = null, X509Certificate2? certificate = null)
    {
        var builder = WebApplication.CreateSlimBuilder();
        if (certificate is not null)
            builder.WebHost.UseKestrelHttpsConfiguration();
        builder.Logging.ClearProviders();
        builder.WebHost.ConfigureKestrel(kestrel =>
        {
            kestrel.Limits.MaxRequestBodySize = null;
            kestrel.Listen(IPAddress.Loopback, 0, listen => listen.Protocols = HttpProtocols.Http1);
            kestrel.Listen(IPAddress.Loopback, 0, listen => listen.Protocols = HttpProtocols.Http2);
            if (certificate is null)
                return;
            kestrel.Listen(IPAddress.Loopback, 0, listen =>
            {
                listen.Protocols = HttpProtocols.Http2;
                listen.UseHttps(certificate);
            });
        });
        configure?.Invoke(builder);
        var app = builder.Build();
        map?.Invoke(app);
        var origin = new TwoProtocolOrigin(app);
        app.MapFallback(origin.AnswerAsync);
        await app.StartAsync(TestContext.Current.CancellationToken);
        return origin;
    }

    public async ValueTask DisposeAsync()
    {
        using var patience = new CancellationTokenSource(TimeSpan.FromSeconds(1));
        await _app.StopAsync(patience.Token);
        await _app.DisposeAsync();
    }

    private async Task AnswerAsync(HttpContext context)
    {
        var (request, response) = (context.Request, context.Response);
        var path = request.Path.Value!;
        Came.Add(path);
        response.Headers["X-Protocol"] = request.Protocol;
        response.Headers["X-Scheme"] = $"{request.Scheme} {request.Host}";
        response.Headers["X-Framing"] = $"{request.ContentLength?.ToString(System.Globalization.CultureInfo.InvariantCulture) ?? "none"},{request.Headers.TransferEncoding}";
        if (path is not ("/early" or "/slow" or "/refuse"))
        {
            var hash = SHA256.Create();
            await using var hashing = new CryptoStream(Stream.Null, hash, CryptoStreamMode.Write);
            await request.Body.CopyToAsync(hashing, context.RequestAborted);
            await hashing.FlushFinalBlockAsync(context.RequestAborted);
            response.Headers["X-Hash"] = Convert.ToHexStringLower(hash.Hash!);
            hash.Dispose();
        }
        switch (path)
        {
            case "/length":
                response.ContentLength = 5;
                await response.WriteAsync("hello");
                break;
            case "/open":
                await response.WriteAsync("first,");
                await response.Body.FlushAsync();
                await response.WriteAsync("second");
                break;
            case "/trailers":
                await response.WriteAsync("body");
                // Kestrel has none in HTTP/1.1.
                if (response.SupportsTrailers())
                    response.AppendTrailer("X-Sum", "42");
                break;
            case "/nothing":
                response.StatusCode = 204;
                break;
            case "/same":
                response.StatusCode = 304;
                response.Headers.ETag = "\"v1\"";
                break;
            case "/early":
                response.StatusCode = 401;
                response.ContentLength = 2;
                await response.WriteAsync("no");
                break;
            case "/cut":
                await response.WriteAsync("half of it");
                await response.Body.FlushAsync();
                await Cut.Task;
                context.Abort();
                break;
            case "/refuse":
                context.Abort();
                break;
            case "/slow":
                var gone = new TaskCompletionSource();
                await using (context.RequestAborted.Register(gone.SetResult))
                    await gone.Task;
                Aborted.Add(path);
                break;
            default:
                response.ContentLength = 0;
                break;
        }
    }
}
