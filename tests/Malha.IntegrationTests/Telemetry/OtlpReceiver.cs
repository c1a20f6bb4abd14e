using System.Collections.Concurrent;
using Grpc.Core;
using Malha.IntegrationTests.Http2.Support;
using Malha.IntegrationTests.Traffic.Support;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;

namespace Malha.IntegrationTests.Telemetry;

/// <summary>A collector: OTLP over HTTP on one port and over gRPC on another, on a real Kestrel and a real gRPC server.</summary>
internal sealed class OtlpReceiver : IAsyncDisposable
{
    private readonly TwoProtocolOrigin _server;

    private OtlpReceiver(TwoProtocolOrigin server, OtlpIntake intake) => (_server, Intake) = (server, intake);

    public OtlpIntake Intake { get; }

    public IReadOnlyCollection<SeenSpan> Spans => Intake.Spans;

    public string Http => _server.Url(1);

    public string Grpc => _server.Url(2);

    public static async Task<OtlpReceiver> StartAsync()
    {
        var intake = new OtlpIntake();
        var server = await TwoProtocolOrigin.StartAsync(
            builder =>
            {
                builder.Services.AddGrpc();
                builder.Services.AddSingleton<TraceService>();
                builder.Services.AddSingleton<MetricsService>();
                builder.Services.AddSingleton(intake);
            },
            app =>
            {
                app.MapGrpcService<TraceService>();
                app.MapGrpcService<MetricsService>();
                app.MapPost("/v1/traces", context => intake.TakeAsync(context, intake.TakeTraces));
                app.MapPost("/v1/metrics", context => intake.TakeAsync(context, intake.TakeMetrics));
            });
        return new OtlpReceiver(server, intake);
    }

    /// <summary>Waits for so many spans.</summary>
    public async Task<SeenSpan[]> HasAsync(int count)
    {
        await Eventually.HoldsAsync(() => Spans.Count >= count || Intake.Fault is not null, $"{count} spans arrive, of which there are {Spans.Count} after {Intake.Asked} exports {Intake.Fault}");
        Assert.Null(Intake.Fault);
        return [.. Spans];
    }

    public ValueTask DisposeAsync()
    {
        Intake.LetGo.TrySetResult();
        return _server.DisposeAsync();
    }
}

/// <summary>What a collector has got, and how it behaves.</summary>
internal sealed class OtlpIntake
{
    public ConcurrentQueue<SeenSpan> Spans { get; } = new();

    public ConcurrentQueue<byte[]> Metrics { get; } = new();

    public ConcurrentQueue<IHeaderDictionary> Heads { get; } = new();

    public IReadOnlyDictionary<string, string> Resource { get; private set; } = new Dictionary<string, string>();

    /// <summary>Exports asked for, taken or not.</summary>
    public int Asked;

    /// <summary>What HTTP exports are answered with.</summary>
    public int Status { get; set; } = 200;

    /// <summary>Whether they are not answered at all.</summary>
    public bool Hangs { get; set; }

    /// <summary>Ends the hanging.</summary>
    public TaskCompletionSource LetGo { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>What could not be read.</summary>
    public Exception? Fault { get; private set; }

    public void TakeTraces(byte[] message)
    {
        try
        {
            TakeSpans(message);
        }
        catch (Exception exception)
        {
            Fault = exception;
            throw;
        }
    }

    private void TakeSpans(byte[] message)
    {
        var (spans, resource) = OtlpTypes.ReadTraces(message);
        Resource = resource;
        foreach (var span in spans)
            Spans.Enqueue(span);
    }

    public void TakeMetrics(byte[] message) => Metrics.Enqueue(message);

    public async Task TakeAsync(HttpContext context, Action<byte[]> take)
    {
        Interlocked.Increment(ref Asked);
        Heads.Enqueue(Copy(context.Request.Headers));
        Assert.Equal("application/x-protobuf", context.Request.ContentType);
        using var body = new MemoryStream();
        await context.Request.Body.CopyToAsync(body, context.RequestAborted);
        if (Hangs)
            await LetGo.Task.WaitAsync(context.RequestAborted);
        context.Response.StatusCode = Status;
        if (Status == 200)
            take(body.ToArray());
    }

    private static HeaderDictionary Copy(IHeaderDictionary headers) => new(headers.ToDictionary(StringComparer.OrdinalIgnoreCase));

    public Task<byte[]> TakeAsync(byte[] message, ServerCallContext context, Action<byte[]> take)
    {
        Interlocked.Increment(ref Asked);
        Heads.Enqueue(Copy(context.GetHttpContext().Request.Headers));
        take(message);
        return Task.FromResult(Array.Empty<byte>());
    }
}

/// <summary>What a compiler would make of opentelemetry-proto's gRPC services, over messages as they are.</summary>
[BindServiceMethod(typeof(TraceBase), nameof(Bind))]
internal abstract class TraceBase
{
    private static readonly Marshaller<byte[]> Raw = Marshallers.Create<byte[]>(message => message, message => message);

    public static void Bind(ServiceBinderBase binder, TraceBase? service) => binder.AddMethod(
        ExportOf("opentelemetry.proto.collector.trace.v1.TraceService"), service is null ? null : new UnaryServerMethod<byte[], byte[]>(service.Export));

    public static Method<byte[], byte[]> ExportOf(string service) => new(MethodType.Unary, service, "Export", Raw, Raw);

    public virtual Task<byte[]> Export(byte[] request, ServerCallContext context) => throw new NotSupportedException();
}

/// <inheritdoc cref="TraceBase"/>
[BindServiceMethod(typeof(MetricsBase), nameof(Bind))]
internal abstract class MetricsBase
{
    public static void Bind(ServiceBinderBase binder, MetricsBase? service) => binder.AddMethod(
        TraceBase.ExportOf("opentelemetry.proto.collector.metrics.v1.MetricsService"), service is null ? null : new UnaryServerMethod<byte[], byte[]>(service.Export));

    public virtual Task<byte[]> Export(byte[] request, ServerCallContext context) => throw new NotSupportedException();
}

internal sealed class TraceService(OtlpIntake intake) : TraceBase
{
    public override Task<byte[]> Export(byte[] request, ServerCallContext context) => intake.TakeAsync(request, context, intake.TakeTraces);
}

internal sealed class MetricsService(OtlpIntake intake) : MetricsBase
{
    public override Task<byte[]> Export(byte[] request, ServerCallContext context) => intake.TakeAsync(request, context, intake.TakeMetrics);
}
