using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using System.Threading.Channels;
using Malha.ControlPlane.Api.Views;
using Malha.Proxy;
using Malha.Proxy.Telemetry.Logging;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.Hosting;

namespace Malha.ControlPlane.Api;

/// <summary>
/// Server-sent events: a snapshot, then what happens. Each listener has a bounded queue; one that does not keep up loses events and is told
/// how many, and never slows anybody. Decisions are looked up a few times a second, so that the request path knows nothing of listeners.
/// </summary>
internal sealed class EventStream(GatewayHost gateway, TimeProvider time, IHostApplicationLifetime lifetime)
{
    private const int MaxListeners = 64;
    private const int MaxQueued = 256;
    private const int MaxDecisions = 50;

    private static readonly TimeSpan Interval = TimeSpan.FromMilliseconds(250);

    /// <summary>Silence that proxies in between and their idle timeouts bear.</summary>
    private static readonly TimeSpan HeartbeatEvery = TimeSpan.FromSeconds(15);

    private int _listeners;

    public static void Map(IEndpointRouteBuilder app) =>
        app.MapGet("/api/v1/events", RunAsync).Produces<string>(200, "text/event-stream").ProducesProblem(503).WithTags("events");

    [EndpointSummary("What happens, as it happens: `snapshot` first, then `event` (as in the log), `decision`, and `dropped` when the listener does not keep up.")]
    internal static Task RunAsync(HttpContext context, EventStream stream) => stream.ServeAsync(context);

    private async Task ServeAsync(HttpContext context)
    {
        if (Interlocked.Increment(ref _listeners) > MaxListeners)
        {
            Interlocked.Decrement(ref _listeners);
            await ApiProblem.Make(503, "too-many-listeners", "Too many listen already", $"At most {MaxListeners} may listen at a time.").ExecuteAsync(context);
            return;
        }
        using var ending = CancellationTokenSource.CreateLinkedTokenSource(context.RequestAborted, lifetime.ApplicationStopping);
        try
        {
            await new Listener(gateway, time, context.Response).RunAsync(ending.Token);
        }
        catch (OperationCanceledException) when (ending.IsCancellationRequested)
        {
            // The usual end of a stream.
        }
        finally
        {
            Interlocked.Decrement(ref _listeners);
        }
    }

    private sealed class Listener(GatewayHost gateway, TimeProvider time, HttpResponse response)
    {
        private readonly Channel<OperationalEvent> _queue = Channel.CreateBounded<OperationalEvent>(MaxQueued);
        private readonly byte[] _line = new byte[16 * 1024];
        private long _droppedEvents;
        private long _toldEvents;
        private long _decisions;
        private long _droppedDecisions;

        public async Task RunAsync(CancellationToken cancellation)
        {
            response.ContentType = "text/event-stream";
            response.Headers.CacheControl = "no-store";
            _decisions = gateway.Telemetry.Decisions.Count;
            var latest = gateway.Telemetry.Events.Follow(OnEvent);
            try
            {
                var listeners = gateway.Listeners.OrderBy(listener => listener.Config.Name, StringComparer.Ordinal).Select(ListenerView.Of);
                Write("snapshot", new SnapshotView(time.GetUtcNow(), gateway.Plane.Model.Version, gateway.IsDraining, [.. listeners]), ApiJson.Default.SnapshotView);
                foreach (var entry in latest)
                    Write(entry);
                await response.Body.FlushAsync(cancellation);
                await FollowAsync(cancellation);
            }
            finally
            {
                gateway.Telemetry.Events.Unfollow(OnEvent);
            }
        }

        private async Task FollowAsync(CancellationToken cancellation)
        {
            using var timer = new PeriodicTimer(Interval, time);
            var lastWrite = time.GetTimestamp();
            while (await timer.WaitForNextTickAsync(cancellation))
            {
                var hasWritten = WriteEvents() | WriteDecisions() | WriteDropped();
                if (!hasWritten && time.GetElapsedTime(lastWrite) < HeartbeatEvery)
                    continue;
                if (!hasWritten)
                    Write(":\n\n"u8);
                await response.Body.FlushAsync(cancellation);
                lastWrite = time.GetTimestamp();
            }
        }

        // Under the log's lock.
        private void OnEvent(OperationalEvent entry)
        {
            if (!_queue.Writer.TryWrite(entry))
                Interlocked.Increment(ref _droppedEvents);
        }

        private bool WriteEvents()
        {
            var hasWritten = false;
            while (_queue.Reader.TryRead(out var entry))
            {
                Write(entry);
                hasWritten = true;
            }
            return hasWritten;
        }

        private bool WriteDecisions()
        {
            var log = gateway.Telemetry.Decisions;
            var count = log.Count;
            if (count == _decisions)
                return false;
            var decisions = log.Latest(count + 1, (int)Math.Min(MaxDecisions, count - _decisions));
            _droppedDecisions += count - _decisions - decisions.Count;
            _decisions = count;
            for (var index = decisions.Count - 1; index >= 0; index--)
                Write("decision", DecisionView.Of(decisions[index]), ApiJson.Default.DecisionView);
            return decisions.Count > 0;
        }

        private bool WriteDropped()
        {
            var events = Interlocked.Read(ref _droppedEvents);
            if (events == _toldEvents && _droppedDecisions == 0)
                return false;
            Write("dropped", new DroppedView(events - _toldEvents, _droppedDecisions), ApiJson.Default.DroppedView);
            _toldEvents = events;
            _droppedDecisions = 0;
            return true;
        }

        private void Write(OperationalEvent entry)
        {
            Write(Encoding.ASCII.GetBytes($"id: {entry.Id}\nevent: event\ndata: "));
            // As in the log: one line, with its end.
            Write(_line.AsSpan(0, EventLog.Format(_line, entry, LogStyle.Json)));
            Write("\n"u8);
        }

        private void Write<T>(string name, T value, JsonTypeInfo<T> type)
        {
            Write(Encoding.ASCII.GetBytes($"event: {name}\ndata: "));
            Write(JsonSerializer.SerializeToUtf8Bytes(value, type));
            Write("\n\n"u8);
        }

        private void Write(ReadOnlySpan<byte> bytes)
        {
            bytes.CopyTo(response.BodyWriter.GetSpan(bytes.Length));
            response.BodyWriter.Advance(bytes.Length);
        }
    }
}
