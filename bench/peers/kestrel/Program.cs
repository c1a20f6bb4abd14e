// kestrel PORT BODY [inline]: answers every request with BODY. `inline` runs continuations on the sockets' threads, together with
// DOTNET_SYSTEM_NET_SOCKETS_INLINE_COMPLETIONS=1 in the environment, as Malha's own front does.
using System.Globalization;
using System.Net;
using System.Text;

var port = int.Parse(args[0], CultureInfo.InvariantCulture);
var body = Encoding.UTF8.GetBytes(args[1]);
var inline = args.Contains("inline");

var builder = WebApplication.CreateSlimBuilder();
builder.Logging.ClearProviders();
builder.WebHost.UseSockets(sockets => sockets.UnsafePreferInlineScheduling = inline);
builder.WebHost.ConfigureKestrel(kestrel => kestrel.Listen(IPAddress.Loopback, port));

var app = builder.Build();
app.Run(context =>
{
    context.Response.ContentType = "text/plain";
    context.Response.ContentLength = body.Length;
    return context.Response.Body.WriteAsync(body, context.RequestAborted).AsTask();
});
await app.RunAsync();
