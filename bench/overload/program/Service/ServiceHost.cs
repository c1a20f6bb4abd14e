using System.Globalization;
using System.Net;

namespace Malha.Bench.Overload.Service;

/// <summary>
/// The service over HTTP. Every path costs a worker its time; <c>?ms=</c> asks for another time, <c>/socket</c> is a WebSocket and
/// <c>/events</c> an event stream, which cost none. The control port takes <c>POST /reset /stall /slow</c> and <c>GET /stats /warm</c>.
/// </summary>
internal static class ServiceHost
{
    private const int Backlog = 4096;
    private static readonly byte[] Answer = "done\n"u8.ToArray();
    private static readonly byte[] Event = "data: still here\n\n"u8.ToArray();
    private static readonly TimeSpan BetweenEvents = TimeSpan.FromSeconds(1);

    public static async Task RunAsync(int port, int controlPort)
    {
        var workshop = new Workshop();
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseSockets(sockets => sockets.Backlog = Backlog);
        builder.WebHost.ConfigureKestrel(kestrel =>
        {
            kestrel.AddServerHeader = false;
            kestrel.Limits.KeepAliveTimeout = TimeSpan.FromHours(1);
            kestrel.Listen(IPAddress.Loopback, port);
            kestrel.Listen(IPAddress.Loopback, controlPort);
        });
        await using var app = builder.Build();
        app.MapWhen(context => context.Connection.LocalPort == controlPort, control => control.Run(context => ControlAsync(context, workshop)));
        app.Map("/socket", branch => branch.UseWebSockets().Run(SocketAsync));
        app.Map("/events", branch => branch.Run(EventsAsync));
        app.Run(context => WorkAsync(context, workshop));
        await app.RunAsync();
    }

    private static async Task WorkAsync(HttpContext context, Workshop workshop)
    {
        var asked = context.Request.Query["ms"];
        var work = new Work(asked.Count > 0 ? Number(context, "ms", 0) : null, context.RequestAborted);
        // The work stays in the queue when the asker goes; only the connection is let go, since there may be tens of thousands.
        using var gone = context.RequestAborted.UnsafeRegister(state => ((Work)state!).End(worked: false), work);
        workshop.Add(work);
        if (await work.Done)
            await AnswerAsync(context);
        else
            context.Abort();
    }

    private static async Task AnswerAsync(HttpContext context)
    {
        context.Response.ContentType = "text/plain";
        context.Response.ContentLength = Answer.Length;
        await context.Response.Body.WriteAsync(Answer);
    }

    private static Task ControlAsync(HttpContext context, Workshop workshop)
    {
        switch (context.Request.Method, context.Request.Path.Value)
        {
            case ("GET", "/warm"):
                return AnswerAsync(context);
            case ("GET", "/stats"):
                return context.Response.WriteAsJsonAsync(workshop.Stats());
            case ("POST", "/stall"):
                workshop.Stall(Number(context, "seconds", 3));
                return AnswerAsync(context);
            case ("POST", "/slow"):
                workshop.Slow(Number(context, "factor", 5), Number(context, "seconds", 10));
                return AnswerAsync(context);
            case ("POST", "/reset"):
                return ResetAsync(context, workshop);
            default:
                context.Response.StatusCode = StatusCodes.Status404NotFound;
                return Task.CompletedTask;
        }
    }

    private static async Task ResetAsync(HttpContext context, Workshop workshop)
    {
        workshop.Reset(await context.Request.ReadFromJsonAsync<WorkSettings>() ?? new WorkSettings());
        await AnswerAsync(context);
    }

    private static double Number(HttpContext context, string name, double otherwise) =>
        double.TryParse(context.Request.Query[name], NumberStyles.Float, CultureInfo.InvariantCulture, out var value) ? value : otherwise;

    private static async Task SocketAsync(HttpContext context)
    {
        if (!context.WebSockets.IsWebSocketRequest)
        {
            context.Response.StatusCode = StatusCodes.Status400BadRequest;
            return;
        }
        using var socket = await context.WebSockets.AcceptWebSocketAsync();
        var buffer = new byte[1024];
        try
        {
            while (!(await socket.ReceiveAsync(buffer.AsMemory(), context.RequestAborted)).EndOfMessage || !socket.CloseStatus.HasValue)
            {
                // It only stays open; what the client says is read and forgotten.
            }
        }
        catch (Exception gone) when (gone is OperationCanceledException or System.Net.WebSockets.WebSocketException)
        {
        }
    }

    private static async Task EventsAsync(HttpContext context)
    {
        context.Response.ContentType = "text/event-stream";
        using var timer = new PeriodicTimer(BetweenEvents);
        try
        {
            do
            {
                await context.Response.Body.WriteAsync(Event, context.RequestAborted);
                await context.Response.Body.FlushAsync(context.RequestAborted);
            }
            while (await timer.WaitForNextTickAsync(context.RequestAborted));
        }
        catch (OperationCanceledException)
        {
            // The client has gone.
        }
    }
}
