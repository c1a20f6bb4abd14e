// yarp UPSTREAM PORT H2_PORT TLS_PORT CERTIFICATE KEY [inline]: everything as YARP's own documentation sets it up. `inline` runs continuations on the sockets' threads,
// together with DOTNET_SYSTEM_NET_SOCKETS_INLINE_COMPLETIONS=1 in the environment.
using System.Globalization;
using System.Net;
using System.Security.Authentication;
using System.Security.Cryptography.X509Certificates;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Yarp.ReverseProxy.Configuration;

var upstream = args[0];
var port = int.Parse(args[1], CultureInfo.InvariantCulture);
var http2Port = int.Parse(args[2], CultureInfo.InvariantCulture);
var tlsPort = int.Parse(args[3], CultureInfo.InvariantCulture);
var certificate = X509Certificate2.CreateFromPemFile(args[4], args[5]);
var inline = args.Contains("inline");

var builder = WebApplication.CreateSlimBuilder();
builder.Logging.ClearProviders();
builder.WebHost.UseSockets(sockets => sockets.UnsafePreferInlineScheduling = inline);
builder.WebHost.UseKestrelHttpsConfiguration();
builder.WebHost.ConfigureKestrel(kestrel =>
{
    kestrel.Listen(IPAddress.Loopback, port);
    kestrel.Listen(IPAddress.Loopback, http2Port, listen => listen.Protocols = HttpProtocols.Http2);
    kestrel.Listen(IPAddress.Loopback, tlsPort, listen =>
    {
        listen.Protocols = HttpProtocols.Http1;
        listen.UseHttps(https =>
        {
            https.ServerCertificate = certificate;
            https.SslProtocols = SslProtocols.Tls13;
        });
    });
});
builder.Services.AddReverseProxy().LoadFromMemory(
    [new RouteConfig { RouteId = "all", ClusterId = "origin", Match = new RouteMatch { Path = "{**rest}" } }],
    [
        new ClusterConfig
        {
            ClusterId = "origin",
            Destinations = new Dictionary<string, DestinationConfig> { ["origin"] = new() { Address = upstream } },
        },
    ]);

var app = builder.Build();
app.MapReverseProxy();
await app.RunAsync();
