namespace Malha.Samples.Shop;

internal sealed record NotifyRequest(string OrderId, string Text);

internal sealed record Notification(string OrderId, string Text, DateTimeOffset At);

/// <summary>Tells the customers; here, it writes down what it would have sent.</summary>
internal sealed class Notify(TimeProvider time)
{
    private const int MostRemembered = 100;

    private readonly Lock _lock = new();
    private readonly Queue<Notification> _sent = [];

    public static void Map(WebApplication app)
    {
        var desk = new Notify(app.Services.GetRequiredService<TimeProvider>());
        app.MapPost("/notify", (NotifyRequest request) => desk.Send(request));
        app.MapGet("/notifications", (int? limit) => desk.Read(limit ?? 20));
    }

    private IResult Send(NotifyRequest request)
    {
        if (string.IsNullOrEmpty(request.OrderId) || request.Text is not { Length: > 0 and <= 500 })
            return Results.Problem("a notification needs an orderId and a text of at most 500 characters", statusCode: 400);

        var notification = new Notification(request.OrderId, request.Text, time.GetUtcNow());
        lock (_lock)
        {
            _sent.Enqueue(notification);
            if (_sent.Count > MostRemembered)
                _sent.Dequeue();
        }

        return Results.Ok(notification);
    }

    private Notification[] Read(int limit)
    {
        lock (_lock)
            return [.. _sent.Reverse().Take(Math.Clamp(limit, 0, MostRemembered))];
    }
}
