using System.Net;
using Malha.Resilience.Http;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Time.Testing;

namespace Malha.Tests.ResilienceHttp;

/// <summary>A request as the service saw it.</summary>
internal sealed record SeenRequest(int Number, HttpMethod Method, Uri Address, string? Body, IReadOnlyDictionary<string, string> Headers, CancellationToken Cancellation);

/// <summary>What stands where the sockets would, a client with Malha's policies before it, and a clock that only the test moves.</summary>
internal sealed class FakeService : IDisposable
{
    private readonly ServiceProvider _services;
    private readonly List<SeenRequest> _seen = [];

    private readonly Func<SeenRequest, Task<HttpResponseMessage>> _answer;

    public FakeService(Func<SeenRequest, Task<HttpResponseMessage>> answer, Action<HttpResilienceOptions>? configure = null, IConfiguration? configuration = null)
    {
        _answer = answer;
        var services = new ServiceCollection();
        if (configuration is not null)
            services.Configure<HttpResilienceOptions>("test", configuration);
        services.AddSingleton<TimeProvider>(Time);
        services.AddSingleton(new Malha.Resilience.Chance(1));
        services.AddHttpClient("test", client =>
        {
            client.BaseAddress = new Uri("http://payments.test/");
            client.Timeout = System.Threading.Timeout.InfiniteTimeSpan;
        }).AddMalhaResilience(configure).ConfigurePrimaryHttpMessageHandler(() => new Handler(this, answer));
        _services = services.BuildServiceProvider();
    }

    public FakeTimeProvider Time { get; } = new();

    public HttpClient Client => _services.GetRequiredService<IHttpClientFactory>().CreateClient("test");

    /// <summary>A client over handlers that were just made, as the factory makes them every few minutes.</summary>
    public HttpClient FreshClient() =>
        new(new HttpResilienceHandler(_services.GetRequiredKeyedService<HttpPipelines>("test")) { InnerHandler = new Handler(this, _answer) }) { BaseAddress = new Uri("http://payments.test/") };

    public IReadOnlyList<SeenRequest> Seen
    {
        get
        {
            lock (_seen)
                return [.. _seen];
        }
    }

    public static Task<HttpResponseMessage> Status(HttpStatusCode status) => Task.FromResult(new HttpResponseMessage(status));

    /// <summary>Never answers; ends when it is cancelled.</summary>
    public static async Task<HttpResponseMessage> Hang(SeenRequest request)
    {
        await Task.Delay(System.Threading.Timeout.Infinite, request.Cancellation);
        throw new InvalidOperationException("not reached");
    }

    /// <summary>Moves the clock in small steps until a task has ended.</summary>
    public async Task<T> Pass<T>(Task<T> task)
    {
        while (!task.IsCompleted)
        {
            Time.Advance(TimeSpan.FromMilliseconds(5));
            await Task.WhenAny(task, Task.Delay(1, TestContext.Current.CancellationToken));
            TestContext.Current.CancellationToken.ThrowIfCancellationRequested();
        }

        return await task;
    }

    public Task<HttpResponseMessage> GetAsync(string path = "/") => Pass(Client.GetAsync(path, TestContext.Current.CancellationToken));

    public void Dispose() => _services.Dispose();

    private sealed class Handler(FakeService service, Func<SeenRequest, Task<HttpResponseMessage>> answer) : HttpMessageHandler
    {
        /// <summary>As a real handler it can be called synchronously.</summary>
        protected override HttpResponseMessage Send(HttpRequestMessage request, CancellationToken cancellationToken) => new(HttpStatusCode.OK);

        protected override async Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
        {
            var body = request.Content is null ? null : await request.Content.ReadAsStringAsync(cancellationToken);
            var headers = request.Headers.ToDictionary(header => header.Key, header => string.Join(',', header.Value));
            SeenRequest seen;
            lock (service._seen)
            {
                seen = new SeenRequest(service._seen.Count + 1, request.Method, request.RequestUri!, body, headers, cancellationToken);
                service._seen.Add(seen);
            }

            return await answer(seen);
        }
    }
}
