using System.Threading.Channels;

namespace Malha.Samples.Outage;

/// <summary>
/// A service as many are: ten workers that take 50 ms for each request (200/s), an unbounded queue, first in, first out, and no idea of who still waits: it
/// works off what was asked even when the asker has gone.
/// </summary>
internal sealed class SlowService : IAsyncDisposable
{
    private const int Workers = 10;
    private static readonly TimeSpan Work = TimeSpan.FromMilliseconds(50);

    private readonly Channel<TaskCompletionSource> _queue = Channel.CreateUnbounded<TaskCompletionSource>();
    private readonly WebApplication _app;
    private readonly Task[] _workers;
    private volatile Task _stall = Task.CompletedTask;
    private long _received;

    private SlowService(WebApplication app)
    {
        _app = app;
        _workers = Enumerable.Range(0, Workers).Select(_ => Task.Run(WorkAsync)).ToArray();
    }

    public Uri Address { get; private set; } = null!;

    /// <summary>Requests that arrived, wanted or not.</summary>
    public long Received => Interlocked.Read(ref _received);

    public static async Task<SlowService> StartAsync()
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseUrls("http://127.0.0.1:0");
        var app = builder.Build();
        var service = new SlowService(app);
        app.MapGet("/", service.AnswerAsync);
        await app.StartAsync();
        service.Address = new Uri(app.Urls.Single());
        return service;
    }

    /// <summary>Nothing is finished for a while.</summary>
    public async Task StallAsync(TimeSpan length)
    {
        var over = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        _stall = over.Task;
        await Task.Delay(length);
        over.SetResult();
    }

    public async ValueTask DisposeAsync()
    {
        await _app.StopAsync(new CancellationToken(canceled: true));
        _queue.Writer.Complete();
        await _app.DisposeAsync();
        await Task.WhenAll(_workers);
    }

    private async Task<string> AnswerAsync()
    {
        Interlocked.Increment(ref _received);
        var done = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        _queue.Writer.TryWrite(done);
        await done.Task;
        return "done\n";
    }

    private async Task WorkAsync()
    {
        await foreach (var request in _queue.Reader.ReadAllAsync())
        {
            if (_app.Lifetime.ApplicationStopping.IsCancellationRequested)
            {
                request.TrySetResult();
                continue;
            }

            await Task.Delay(Work);
            await _stall;
            request.TrySetResult();
        }
    }
}
