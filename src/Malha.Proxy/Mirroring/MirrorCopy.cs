using System.Buffers;
using System.Net;
using Malha.Proxy.Http1;
using Malha.Proxy.Upstream;
using Malha.Proxy.Upstream.Http2;
using Malha.Resilience;

namespace Malha.Proxy.Mirroring;

/// <summary>One copy of a request on its way to an endpoint, on the thread pool. Its answer is read, so that the connection stays good, and thrown away.</summary>
internal sealed class MirrorCopy(MirrorModel mirror, EndpointState endpoint, BreakerPermit permit, DataPlane plane) : IThreadPoolWorkItem
{
    public const int NoBody = -1;

    /// <summary>Of a longer answer nobody needs the rest: its connection is closed.</summary>
    private const int MostRead = 1 << 20;

    private const int ReadSize = 16 * 1024;

    /// <summary>Head and body, rented.</summary>
    public required byte[] Bytes { get; init; }

    public required int HeadLength { get; init; }

    /// <summary><see cref="NoBody"/> when the request has none.</summary>
    public required int BodyLength { get; init; }

    public required HttpMethodKind Method { get; init; }

    public void Execute() => _ = RunAsync();

    private async Task RunAsync()
    {
        endpoint.Load.Started();
        var outcome = MirrorOutcome.Failure;
        try
        {
            using var cancellation = new CancellationTokenSource(mirror.Service.Config.Timeout, plane.Time);
            outcome = await SendAsync(cancellation.Token);
        }
        catch (OperationCanceledException)
        {
            outcome = MirrorOutcome.Timeout;
        }
        catch (HttpRequestException exception)
        {
            outcome = exception.HttpRequestError is HttpRequestError.ConnectionError or HttpRequestError.SecureConnectionError or HttpRequestError.NameResolutionError
                ? MirrorOutcome.Unreachable : MirrorOutcome.Failure;
        }
        catch (Exception exception) when (exception is IOException or ObjectDisposedException)
        {
            // The answer broke off, or the endpoint is not part of the configuration any more.
        }
        catch (Exception exception)
        {
            plane.Failed(exception);
        }
        finally
        {
            endpoint.Load.Finished();
            endpoint.Breaker?.Report(permit, OutcomeOf(outcome), plane.Clock.Now);
            ArrayPool<byte>.Shared.Return(Bytes);
            mirror.State.Leave(outcome);
        }
    }

    private async Task<MirrorOutcome> SendAsync(CancellationToken cancellation)
    {
        using var content = BodyLength == NoBody ? null : new ByteArrayContent(Bytes, HeadLength, BodyLength);
        var isHttp2 = endpoint.Http2 is not null;
        using var request = Http2RequestMessage.Make(Bytes.AsSpan(0, HeadLength), Method, endpoint, content, isHttp2 ? HttpVersion.Version20 : HttpVersion.Version11);
        using var answer = await endpoint.Aside(mirror.Service.Config, mirror.Config.Most).SendAsync(request, cancellation);
        await DiscardAsync(answer, cancellation);
        return (int)answer.StatusCode < 500 ? MirrorOutcome.Success : MirrorOutcome.Failure;
    }

    private static async Task DiscardAsync(HttpResponseMessage answer, CancellationToken cancellation)
    {
        var buffer = ArrayPool<byte>.Shared.Rent(ReadSize);
        try
        {
            await using var stream = await answer.Content.ReadAsStreamAsync(cancellation);
            var total = 0;
            int read;
            while (total < MostRead && (read = await stream.ReadAsync(buffer, cancellation)) > 0)
                total += read;
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    private static OutcomeKind OutcomeOf(MirrorOutcome outcome) => outcome switch
    {
        MirrorOutcome.Success => OutcomeKind.Success,
        MirrorOutcome.Timeout => OutcomeKind.Timeout,
        MirrorOutcome.Unreachable => OutcomeKind.ConnectionFailure,
        _ => OutcomeKind.Failure,
    };
}
