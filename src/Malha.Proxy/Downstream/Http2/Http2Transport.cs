using System.Buffers;
using System.IO.Pipelines;
using System.Net;
using System.Net.Security;
using System.Security.Cryptography.X509Certificates;
using Malha.Proxy.Transport;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.AspNetCore.Server.Kestrel.Core.Features;

namespace Malha.Proxy.Downstream.Http2;

/// <summary>
/// Our byte channel as Kestrel wants a connection: two pipes, and a loop for each direction. The loop that receives runs on the socket engine's threads, and
/// whoever reads behind the pipe on the thread pool; so does the loop that sends, which takes in one system call what several streams have flushed by then.
/// </summary>
internal sealed class Http2Transport : ConnectionContext
{
    /// <summary>A receive that has less room than this waits for a new block.</summary>
    private const int MinRoom = 2 * 1024;

    /// <summary>What a system call sends at most when it lies in several blocks.</summary>
    private const int GatherSize = 32 * 1024;

    private static readonly PipeOptions InputOptions = new(
        readerScheduler: PipeScheduler.ThreadPool, writerScheduler: PipeScheduler.Inline, pauseWriterThreshold: 64 * 1024, resumeWriterThreshold: 32 * 1024,
        useSynchronizationContext: false);

    private static readonly PipeOptions OutputOptions = new(
        readerScheduler: PipeScheduler.ThreadPool, writerScheduler: PipeScheduler.ThreadPool, pauseWriterThreshold: 64 * 1024, resumeWriterThreshold: 32 * 1024,
        useSynchronizationContext: false);

    private static long _ids;

    private readonly ByteChannel _channel;
    private readonly Http2Connection _connection;
    private readonly FrameMeter _meter;
    private readonly CancellationTokenSource _closed = new();
    private readonly Pipe _input = new(InputOptions);
    private readonly Pipe _output = new(OutputOptions);
    private Task _receiving = Task.CompletedTask;
    private Task _sending = Task.CompletedTask;

    public Http2Transport(ByteChannel channel, Http2Connection connection)
    {
        _channel = channel;
        _connection = connection;
        _meter = new FrameMeter(connection.Plane.Time);
        Transport = new DuplexPipe(_input.Reader, _output.Writer);
        LocalEndPoint = connection.Listener.Address;
        RemoteEndPoint = connection.Remote;
        ConnectionClosed = _closed.Token;
        Features.Set(connection);
        if (!connection.IsTls)
            return;
        var tls = new TlsFeature();
        Features.Set<ITlsConnectionFeature>(tls);
        Features.Set<ITlsApplicationProtocolFeature>(tls);
    }

    public override string ConnectionId { get; set; } = Interlocked.Increment(ref _ids).ToString("x", System.Globalization.CultureInfo.InvariantCulture);

    public override IFeatureCollection Features { get; } = new FeatureCollection();

    public override IDictionary<object, object?> Items { get; set; } = new ConnectionItems();

    public override IDuplexPipe Transport { get; set; }

    public override EndPoint? LocalEndPoint { get; set; }

    public override EndPoint? RemoteEndPoint { get; set; }

    public override CancellationToken ConnectionClosed { get; set; }

    /// <summary>Puts in what has come already, and goes on from there.</summary>
    public void Begin(ReadOnlySpan<byte> first)
    {
        var flood = _meter.Take(first);
        _input.Writer.Write(first);
        _receiving = ReceiveAsync(flood);
        _sending = SendAsync();
    }

    public override void Abort(ConnectionAbortedException abortReason)
    {
        // What is in the pipe still goes out, a GOAWAY for example; a client that does not take it has no more than a moment.
        _output.Reader.CancelPendingRead();
        _connection.Linger();
    }

    public override async ValueTask DisposeAsync()
    {
        _connection.Linger();
        await Transport.Input.CompleteAsync();
        await Transport.Output.CompleteAsync();
        await _sending;
        _channel.Dispose();
        await _receiving;
        _closed.Dispose();
        await base.DisposeAsync();
        _connection.Ended();
    }

    private async Task ReceiveAsync(FrameFlood flood)
    {
        try
        {
            var flushed = await _input.Writer.FlushAsync();
            while (!flushed.IsCompleted && flood == FrameFlood.None)
            {
                var room = _input.Writer.GetMemory(MinRoom);
                var received = await _channel.ReceiveAsync(room);
                if (received <= 0)
                    break;
                flood = _meter.Take(room.Span[..received]);
                _input.Writer.Advance(received);
                flushed = await _input.Writer.FlushAsync();
            }
            if (flood != FrameFlood.None)
                _connection.Flooded(flood);
        }
        catch (Exception exception)
        {
            _connection.Plane.Failed(exception);
        }
        await _input.Writer.CompleteAsync();
        // Kestrel's callbacks, on the thread pool.
        await _closed.CancelAsync();
    }

    private async Task SendAsync()
    {
        byte[]? gathered = null;
        try
        {
            while (true)
            {
                var result = await _output.Reader.ReadAsync();
                var buffer = result.Buffer;
                var sent = buffer.IsEmpty;
                var end = buffer.End;
                if (buffer.IsSingleSegment)
                    sent = sent || await _channel.SendAsync(buffer.First);
                else
                {
                    gathered ??= ArrayPool<byte>.Shared.Rent(GatherSize);
                    var length = (int)Math.Min(buffer.Length, gathered.Length);
                    end = buffer.GetPosition(length);
                    buffer.Slice(0, length).CopyTo(gathered);
                    sent = await _channel.SendAsync(gathered.AsMemory(0, length));
                }
                _meter.Sent(buffer.Length);
                var isLast = buffer.Slice(end).IsEmpty && (result.IsCompleted || result.IsCanceled);
                _output.Reader.AdvanceTo(end);
                if (!sent || isLast)
                    break;
            }
        }
        catch (Exception exception)
        {
            _connection.Plane.Failed(exception);
        }
        if (gathered is not null)
            ArrayPool<byte>.Shared.Return(gathered);
        await _output.Reader.CompleteAsync();
        // Nothing more can be said: to listen on would only keep it open.
        _channel.ShutdownReceive();
    }

    /// <summary>What Kestrel must know of the TLS that is ours: that there is one, and that HTTP/2 was agreed on. Who the client is, the gateway itself knows.</summary>
    private sealed class TlsFeature : ITlsConnectionFeature, ITlsApplicationProtocolFeature
    {
        public ReadOnlyMemory<byte> ApplicationProtocol => SslApplicationProtocol.Http2.Protocol;

        public X509Certificate2? ClientCertificate { get; set; }

        public Task<X509Certificate2?> GetClientCertificateAsync(CancellationToken cancellationToken) => Task.FromResult(ClientCertificate);
    }

    private sealed record DuplexPipe(PipeReader Input, PipeWriter Output) : IDuplexPipe;
}
