namespace Malha.Samples.Shop;

/// <summary>How a service behaves: well, or with a fault that somebody switched on to see what the callers do.</summary>
/// <param name="Mode">ok, slow, failing or hanging.</param>
/// <param name="Ms">Milliseconds that <c>slow</c> adds.</param>
/// <param name="Rate">Share of the requests that the fault meets, from 0 to 1.</param>
internal sealed record SwitchState(string Mode, int Ms, double Rate);

/// <summary>
/// <c>POST /switch/{ok|slow|failing|hanging}?ms=&amp;rate=</c> and <c>GET /switch</c>. The fault meets every path but /switch, the health check too:
/// a service that hangs does not answer its probe either.
/// </summary>
internal sealed class Switchboard
{
    private static readonly SwitchState Ok = new("ok", 0, 1);

    private volatile SwitchState _state = Ok;

    public SwitchState State => _state;

    public static void Map(WebApplication app)
    {
        var board = app.Services.GetRequiredService<Switchboard>();
        app.Use((context, next) => board.Meet(context, next));
        app.MapGet("/switch", () => board.State);
        app.MapPost("/switch/{mode}", (string mode, int? ms, double? rate) => board.Set(mode, ms, rate));
    }

    private IResult Set(string mode, int? ms, double? rate)
    {
        if (mode is not ("ok" or "slow" or "failing" or "hanging"))
            return Results.Problem("the switch is one of ok, slow, failing, hanging", statusCode: 404);
        if (ms is < 0 or > 600_000 || rate is not (null or (>= 0 and <= 1)))
            return Results.Problem("ms is from 0 to 600000, rate from 0 to 1", statusCode: 400);

        _state = mode == "ok" ? Ok : new SwitchState(mode, mode == "slow" ? ms ?? 1000 : 0, rate ?? 1);
        return Results.Ok(_state);
    }

    private async Task Meet(HttpContext context, RequestDelegate next)
    {
        var state = _state;
        if (state.Mode == "ok" || context.Request.Path.StartsWithSegments("/switch") || Random.Shared.NextDouble() >= state.Rate)
        {
            await next(context);
            return;
        }

        try
        {
            if (state.Mode == "hanging")
                await Task.Delay(Timeout.Infinite, context.RequestAborted);
            if (state.Mode == "slow")
                await Task.Delay(state.Ms, context.RequestAborted);
        }
        catch (OperationCanceledException)
        {
            return; // the caller has gone
        }

        if (state.Mode == "failing")
            await Results.Problem("the switch stands on failing", statusCode: 500).ExecuteAsync(context);
        else
            await next(context);
    }
}
