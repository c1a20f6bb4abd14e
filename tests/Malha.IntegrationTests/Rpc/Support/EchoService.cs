using System.Text;
using Grpc.Core;

namespace Malha.IntegrationTests.Rpc.Support;

/// <summary>What a compiler would make of a service with a call of each kind, over texts.</summary>
[BindServiceMethod(typeof(EchoBase), nameof(Bind))]
internal abstract class EchoBase
{
    private static readonly Marshaller<string> Text = Marshallers.Create(Encoding.UTF8.GetBytes, Encoding.UTF8.GetString);

    public static readonly Method<string, string> UnaryMethod = new(MethodType.Unary, "test.Echo", "Unary", Text, Text);
    public static readonly Method<string, string> ServerMethod = new(MethodType.ServerStreaming, "test.Echo", "Server", Text, Text);
    public static readonly Method<string, string> ClientMethod = new(MethodType.ClientStreaming, "test.Echo", "Client", Text, Text);
    public static readonly Method<string, string> DuplexMethod = new(MethodType.DuplexStreaming, "test.Echo", "Duplex", Text, Text);

    public static void Bind(ServiceBinderBase binder, EchoBase? service)
    {
        binder.AddMethod(UnaryMethod, service is null ? null : new UnaryServerMethod<string, string>(service.Unary));
        binder.AddMethod(ServerMethod, service is null ? null : new ServerStreamingServerMethod<string, string>(service.Server));
        binder.AddMethod(ClientMethod, service is null ? null : new ClientStreamingServerMethod<string, string>(service.Client));
        binder.AddMethod(DuplexMethod, service is null ? null : new DuplexStreamingServerMethod<string, string>(service.Duplex));
    }

    public virtual Task<string> Unary(string request, ServerCallContext context) => throw new NotSupportedException();

    public virtual Task Server(string request, IServerStreamWriter<string> answers, ServerCallContext context) => throw new NotSupportedException();

    public virtual Task<string> Client(IAsyncStreamReader<string> requests, ServerCallContext context) => throw new NotSupportedException();

    public virtual Task Duplex(IAsyncStreamReader<string> requests, IServerStreamWriter<string> answers, ServerCallContext context) => throw new NotSupportedException();
}

/// <summary>The service; what a test wants besides an echo is in the text.</summary>
internal sealed class EchoService : EchoBase
{
    private int _cancelled;

    /// <summary>Calls that ended because nobody waited any more.</summary>
    public int Cancelled => Volatile.Read(ref _cancelled);

    /// <summary>Calls that have come.</summary>
    public int Came;

    public override async Task<string> Unary(string request, ServerCallContext context)
    {
        Interlocked.Increment(ref Came);
        if (request.StartsWith("fail ", StringComparison.Ordinal))
            throw new RpcException(new Status((StatusCode)int.Parse(request[5..], System.Globalization.CultureInfo.InvariantCulture), "as you wish: ü"), new Metadata { { "x-why", "asked" }, { "x-bytes-bin", [0, 1, 255] } });
        if (request == "hang")
            await HangAsync(context);
        context.ResponseTrailers.Add("x-last", request.Length.ToString(System.Globalization.CultureInfo.InvariantCulture));
        await context.WriteResponseHeadersAsync(new Metadata { { "x-first", context.RequestHeaders.GetValue("x-asked") ?? "nothing" } });
        return request;
    }

    public override async Task Server(string request, IServerStreamWriter<string> answers, ServerCallContext context)
    {
        for (var number = 0; number < 10; number++)
            await answers.WriteAsync($"{request} {number}", context.CancellationToken);
        if (request == "hang")
            await HangAsync(context);
        context.ResponseTrailers.Add("x-last", "10");
    }

    public override async Task<string> Client(IAsyncStreamReader<string> requests, ServerCallContext context)
    {
        var all = new StringBuilder();
        while (await requests.MoveNext(context.CancellationToken))
            all.Append(requests.Current).Append(';');
        context.ResponseTrailers.Add("x-last", "client");
        return all.ToString();
    }

    public override async Task Duplex(IAsyncStreamReader<string> requests, IServerStreamWriter<string> answers, ServerCallContext context)
    {
        while (await requests.MoveNext(context.CancellationToken))
        {
            if (requests.Current == "enough")
                break;
            await answers.WriteAsync($"re: {requests.Current}", context.CancellationToken);
        }
        context.ResponseTrailers.Add("x-last", "duplex");
    }

    private async Task HangAsync(ServerCallContext context)
    {
        var gone = new TaskCompletionSource();
        await using (context.CancellationToken.Register(gone.SetResult))
            await gone.Task;
        Interlocked.Increment(ref _cancelled);
        context.CancellationToken.ThrowIfCancellationRequested();
    }
}
