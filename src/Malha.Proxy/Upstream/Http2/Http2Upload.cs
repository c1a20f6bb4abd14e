using System.Net;

namespace Malha.Proxy.Upstream.Http2;

/// <summary>A request's body on its way to an HTTP/2 endpoint: what is at hand at once, the rest as it comes, beside the wait for the answer.</summary>
internal sealed class Http2Upload(Exchange exchange, Http2Call call) : HttpContent
{
    private readonly Lock _lock = new();
    private readonly TaskCompletionSource<bool> _ended = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private bool _isClosed;
    private bool _hasStreamed;

    /// <summary>The call has its answer's head, or none: a body that nobody has asked for by now stays where it is.</summary>
    public void Close()
    {
        lock (_lock)
            _isClosed = true;
    }

    protected override bool TryComputeLength(out long length)
    {
        length = exchange.Body.Length;
        return !exchange.Body.IsChunked;
    }

    protected override Task SerializeToStreamAsync(Stream stream, TransportContext? context) => SerializeToStreamAsync(stream, context, CancellationToken.None);

    protected override async Task SerializeToStreamAsync(Stream stream, TransportContext? context, CancellationToken cancellationToken)
    {
        if (!TryBegin())
            throw new OperationCanceledException("The request is over, or cannot be sent twice.");
        var isWhole = false;
        try
        {
            isWhole = await SendAsync(stream, cancellationToken);
        }
        finally
        {
            _ended.TrySetResult(isWhole);
        }
        // Broken off or malformed: the server must not take what it has for the whole.
        if (!isWhole)
            throw new IOException("The request's body broke off.");
    }

    // The library may ask twice when a connection refuses the stream; what has gone by is not there a second time.
    private bool TryBegin()
    {
        lock (_lock)
        {
            if (_isClosed || _hasStreamed)
                return false;
            if (exchange.Body.IsComplete)
                return true;
            _hasStreamed = true;
            exchange.HasUpload = true;
            exchange.Upload = new ValueTask<bool>(_ended.Task);
            return true;
        }
    }

    private async Task<bool> SendAsync(Stream stream, CancellationToken cancellation)
    {
        var body = exchange.Body;
        if (body.PrefixLength > 0)
            await stream.WriteAsync(body.PrefixMemory, cancellation);
        if (body.Stored.Length > 0)
            await stream.WriteAsync(body.Stored, cancellation);
        if (body.IsComplete)
            return true;

        // The time for the answer begins when the request is complete.
        exchange.ArmAnswer(call, Timing.TimerEntry.None);
        // The head must not wait for a body that may wait for the answer.
        await stream.FlushAsync(cancellation);
        while (!body.IsComplete)
        {
            if (!await body.NextAsync())
                return false;
            if (!Thread.CurrentThread.IsThreadPoolThread)
                await Task.CompletedTask.ConfigureAwait(ConfigureAwaitOptions.ForceYielding);
            if (body.IsComplete)
            {
                call.BeginAnswer(exchange);
                await stream.WriteAsync(body.Last, cancellation);
                break;
            }
            await stream.WriteAsync(body.Last, cancellation);
            await stream.FlushAsync(cancellation);
        }
        exchange.Source.WatchClient();
        return true;
    }
}
