using System.Buffers.Binary;
using System.Globalization;
using System.Net;
using System.Net.Http.Headers;
using System.Net.Sockets;
using Google.Protobuf;
using Malha.Configuration;
using Malha.Proxy.Health.Probes;
using Malha.Proxy.Transport;

namespace Malha.Proxy.Telemetry.Otlp;

/// <summary>What came of one export.</summary>
/// <param name="Problem">Why it failed; null when the collector has taken it.</param>
/// <param name="MayRetry">Whether it may be sent again (the OTLP specification's list).</param>
/// <param name="RetryAfter">What the collector asked for.</param>
/// <param name="Rejected">Items of a good export that the collector says it did not take.</param>
internal readonly record struct OtlpResult(string? Problem, bool MayRetry = false, TimeSpan? RetryAfter = null, long Rejected = 0);

/// <summary>Speaks OTLP to one collector, over HTTP with protobuf or gRPC. What it reads of an answer is bounded, and so is the time it waits.</summary>
internal sealed class OtlpClient : IDisposable
{
    /// <summary>What a gRPC message has before it: a flag and its length.</summary>
    public const int Prefix = 5;

    /// <summary>An answer is a few bytes; what is longer is not read.</summary>
    private const int MaxAnswer = 64 * 1024;

    private static readonly Dictionary<string, string> GrpcPaths = new(StringComparer.Ordinal)
    {
        ["traces"] = "/opentelemetry.proto.collector.trace.v1.TraceService/Export",
        ["metrics"] = "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export",
    };

    private readonly TelemetryConfig _config;
    private readonly TimeProvider _time;
    private readonly Uri _url;
    private readonly HttpMessageInvoker _invoker;

    /// <param name="config">Where the collector is.</param>
    /// <param name="signal"><c>traces</c> or <c>metrics</c>.</param>
    /// <param name="time">For the timeout.</param>
    public OtlpClient(TelemetryConfig config, string signal, TimeProvider time)
    {
        _config = config;
        _time = time;
        var address = config.Endpoint.GetLeftPart(UriPartial.Authority) + config.Endpoint.AbsolutePath.TrimEnd('/');
        _url = new Uri(config.Protocol == OtlpProtocol.Grpc ? address + GrpcPaths[signal] : $"{address}/v1/{signal}");
        _invoker = new HttpMessageInvoker(new SocketsHttpHandler
        {
            UseProxy = false,
            AllowAutoRedirect = false,
            UseCookies = false,
            ActivityHeadersPropagator = null,
            MaxConnectionsPerServer = 1,
            MaxResponseHeadersLength = 64,
            ConnectTimeout = config.Timeout,
            ConnectCallback = static (context, cancellation) => DialAsync(context.DnsEndPoint, cancellation),
        });
    }

    /// <summary>Sends one message, before which <see cref="Prefix"/> bytes are free.</summary>
    public async Task<OtlpResult> SendAsync(ReadOnlyMemory<byte> framed, CancellationToken cancellation)
    {
        using var timeout = new CancellationTokenSource(_config.Timeout, _time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(timeout.Token, cancellation);
        try
        {
            using var request = Make(framed);
            using var response = await _invoker.SendAsync(request, either.Token);
            var answer = await ReadAsync(response, either.Token);
            return _config.Protocol == OtlpProtocol.Grpc ? OfGrpc(response, answer) : OfHttp(response, answer);
        }
        catch (OperationCanceledException)
        {
            return new OtlpResult(timeout.IsCancellationRequested ? $"no answer within {_config.Timeout.TotalSeconds:0.###} s" : "the gateway stops", MayRetry: true);
        }
        catch (Exception exception) when (exception is HttpRequestException or IOException or SocketException or InvalidOperationException)
        {
            return new OtlpResult(ProbeDialer.Describe(exception), MayRetry: true);
        }
    }

    public void Dispose() => _invoker.Dispose();

    private HttpRequestMessage Make(ReadOnlyMemory<byte> framed)
    {
        var isGrpc = _config.Protocol == OtlpProtocol.Grpc;
        var request = new HttpRequestMessage(HttpMethod.Post, _url)
        {
            Content = new ReadOnlyMemoryContent(isGrpc ? framed : framed[Prefix..]),
            Version = isGrpc ? HttpVersion.Version20 : HttpVersion.Version11,
            VersionPolicy = isGrpc ? HttpVersionPolicy.RequestVersionExact : HttpVersionPolicy.RequestVersionOrLower,
        };
        request.Content.Headers.ContentType = new MediaTypeHeaderValue(isGrpc ? "application/grpc" : "application/x-protobuf");
        if (isGrpc)
            request.Headers.TryAddWithoutValidation("TE", "trailers");
        request.Headers.TryAddWithoutValidation("User-Agent", "Malha-OTLP");
        foreach (var header in _config.Headers)
            request.Headers.TryAddWithoutValidation(header.Name, header.Value);
        return request;
    }

    // Up to its limit: whoever sends more has said enough.
    private static async Task<byte[]> ReadAsync(HttpResponseMessage response, CancellationToken cancellation)
    {
        var buffer = new byte[MaxAnswer];
        await using var stream = await response.Content.ReadAsStreamAsync(cancellation);
        var length = await stream.ReadAtLeastAsync(buffer, buffer.Length, throwOnEndOfStream: false, cancellation);
        return buffer[..length];
    }

    private OtlpResult OfHttp(HttpResponseMessage response, byte[] answer)
    {
        var status = (int)response.StatusCode;
        if (status is >= 200 and < 300)
            return new OtlpResult(null, Rejected: RejectedIn(answer));
        return new OtlpResult($"status {status} from {_url}", status is 429 or 502 or 503 or 504, response.Headers.RetryAfter?.Delta);
    }

    private OtlpResult OfGrpc(HttpResponseMessage response, byte[] answer)
    {
        if (response.StatusCode != HttpStatusCode.OK)
            return new OtlpResult($"status {(int)response.StatusCode} from {_url}", (int)response.StatusCode is 429 or 502 or 503 or 504, response.Headers.RetryAfter?.Delta);
        // An answer of trailers only has them in its head.
        if (!response.TrailingHeaders.TryGetValues("grpc-status", out var values) && !response.Headers.TryGetValues("grpc-status", out values))
            return new OtlpResult($"an answer without grpc-status from {_url}", MayRetry: true);
        if (!int.TryParse(values.FirstOrDefault(), NumberStyles.None, CultureInfo.InvariantCulture, out var code))
            return new OtlpResult($"an answer with a grpc-status that is no number from {_url}", MayRetry: true);
        if (code != 0)
            return new OtlpResult($"grpc-status {code} from {_url}", code is 1 or 4 or 8 or 10 or 11 or 14 or 15);
        var isWhole = answer.Length >= Prefix && answer[0] == 0 && BinaryPrimitives.ReadUInt32BigEndian(answer.AsSpan(1)) == answer.Length - Prefix;
        return new OtlpResult(null, Rejected: isWhole ? RejectedIn(answer[Prefix..]) : 0);
    }

    // partial_success (field 1) with the number of rejected items (field 1). Whoever answers something else has taken all.
    private static long RejectedIn(byte[] answer)
    {
        try
        {
            var input = new CodedInputStream(answer);
            while (input.ReadTag() is not 0 and var tag)
            {
                if (tag != WireFormat.MakeTag(1, WireFormat.WireType.LengthDelimited))
                {
                    input.SkipLastField();
                    continue;
                }
                var partial = new CodedInputStream(input.ReadBytes().ToByteArray());
                while (partial.ReadTag() is not 0 and var inner)
                {
                    if (inner == WireFormat.MakeTag(1, WireFormat.WireType.Varint))
                        return Math.Max(0, partial.ReadInt64());
                    partial.SkipLastField();
                }
            }
        }
        catch (InvalidProtocolBufferException)
        {
            // Not for us to judge.
        }
        return 0;
    }

    private static async ValueTask<Stream> DialAsync(DnsEndPoint endpoint, CancellationToken cancellation)
    {
        EndPoint address = IPAddress.TryParse(endpoint.Host.Trim('[', ']'), out var ip) ? new IPEndPoint(ip, endpoint.Port) : endpoint;
        return await OffEngineStream.ConnectAsync(address, cancellation);
    }
}
