using System.Net;
using System.Net.Http.Headers;
using System.Text;
using Malha.Resilience;
using Malha.Resilience.Http;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Options;

namespace Malha.Tests.ResilienceHttp;

public sealed class AddMalhaResilienceTests
{
    private static CancellationToken Stop => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_failed_get_is_tried_again_and_its_answer_comes_through()
    {
        using var service = new FakeService(request => FakeService.Status(request.Number < 3 ? HttpStatusCode.InternalServerError : HttpStatusCode.OK));
        using var answer = await service.GetAsync("/orders/1?x=2");
        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
        Assert.Equal(3, service.Seen.Count);
        Assert.All(service.Seen, request => Assert.Equal("http://payments.test/orders/1?x=2", request.Address.ToString()));
    }

    [Fact]
    public async Task The_last_failed_answer_comes_through_as_it_is()
    {
        using var service = new FakeService(_ => FakeService.Status(HttpStatusCode.BadGateway));
        using var answer = await service.GetAsync();
        Assert.Equal((HttpStatusCode.BadGateway, 3), (answer.StatusCode, service.Seen.Count));
    }

    [Theory]
    [InlineData(404)]
    [InlineData(501)]
    [InlineData(505)]
    public async Task What_is_no_failure_of_the_service_is_not_tried_again(int status)
    {
        using var service = new FakeService(_ => FakeService.Status((HttpStatusCode)status));
        using var answer = await service.GetAsync();
        Assert.Single(service.Seen);
    }

    [Fact]
    public async Task A_post_that_may_have_been_executed_is_sent_once()
    {
        using var service = new FakeService(_ => FakeService.Status(HttpStatusCode.InternalServerError));
        using var answer = await service.Pass(service.Client.PostAsync("/", new StringContent("a"), Stop));
        Assert.Single(service.Seen);
    }

    [Fact]
    public async Task A_post_with_an_idempotency_key_is_sent_again_with_its_body_and_headers()
    {
        using var service = new FakeService(request => FakeService.Status(request.Number == 1 ? HttpStatusCode.InternalServerError : HttpStatusCode.OK));
        using var request = new HttpRequestMessage(HttpMethod.Post, "/pay") { Content = new StringContent("{\"amount\":3}", Encoding.UTF8, "application/json") };
        request.Headers.Add("Idempotency-Key", "k1");
        request.Headers.Add("X-Account", "a7");
        using var answer = await service.Pass(service.Client.SendAsync(request, Stop));
        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
        Assert.Equal(2, service.Seen.Count);
        Assert.All(service.Seen, seen => Assert.Equal(("{\"amount\":3}", "a7", "k1"), (seen.Body, seen.Headers["X-Account"], seen.Headers["Idempotency-Key"])));
    }

    [Fact]
    public async Task A_post_of_which_nothing_was_sent_is_sent_again()
    {
        using var service = new FakeService(request => request.Number == 1
            ? Task.FromException<HttpResponseMessage>(new HttpRequestException(HttpRequestError.ConnectionError, "refused"))
            : FakeService.Status(HttpStatusCode.OK));
        using var answer = await service.Pass(service.Client.PostAsync("/", new StringContent("a"), Stop));
        Assert.Equal((HttpStatusCode.OK, 2), (answer.StatusCode, service.Seen.Count));
    }

    [Fact]
    public async Task A_stream_of_unknown_length_is_sent_once()
    {
        using var service = new FakeService(_ => FakeService.Status(HttpStatusCode.InternalServerError));
        using var body = new StreamContent(new Unseekable(new MemoryStream(Encoding.UTF8.GetBytes("streamed"))));
        using var answer = await service.Pass(service.Client.PutAsync("/", body, Stop));
        Assert.Equal("streamed", Assert.Single(service.Seen).Body);
    }

    [Fact]
    public async Task A_small_stream_of_known_length_is_held_and_sent_again()
    {
        using var service = new FakeService(request => FakeService.Status(request.Number == 1 ? HttpStatusCode.InternalServerError : HttpStatusCode.OK));
        using var body = new StreamContent(new MemoryStream(Encoding.UTF8.GetBytes("held")));
        using var answer = await service.Pass(service.Client.PutAsync("/", body, Stop));
        Assert.Equal(["held", "held"], service.Seen.Select(seen => seen.Body));
    }

    [Fact]
    public async Task Retry_after_is_honoured()
    {
        using var service = new FakeService(request =>
        {
            var answer = new HttpResponseMessage(request.Number == 1 ? HttpStatusCode.TooManyRequests : HttpStatusCode.OK);
            answer.Headers.RetryAfter = new RetryConditionHeaderValue(TimeSpan.FromSeconds(3));
            return Task.FromResult(answer);
        });
        var began = service.Time.GetUtcNow();
        using var answer = await service.GetAsync();
        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
        Assert.InRange(service.Time.GetUtcNow() - began, TimeSpan.FromSeconds(3), TimeSpan.FromSeconds(4));
    }

    [Fact]
    public async Task An_attempt_that_hangs_is_given_up_and_the_next_one_answers()
    {
        using var service = new FakeService(
            request => request.Number == 1 ? FakeService.Hang(request) : FakeService.Status(HttpStatusCode.OK), options => options.AttemptTimeout = TimeSpan.FromSeconds(1));
        using var answer = await service.GetAsync();
        Assert.Equal((HttpStatusCode.OK, 2), (answer.StatusCode, service.Seen.Count));
        Assert.True(service.Seen[0].Cancellation.IsCancellationRequested);
    }

    [Fact]
    public async Task A_call_without_an_answer_in_time_ends_as_httpclients_own_timeout_does()
    {
        using var service = new FakeService(FakeService.Hang, options => options.Timeout = TimeSpan.FromSeconds(2));
        var thrown = await Assert.ThrowsAsync<TaskCanceledException>(() => service.GetAsync());
        Assert.IsType<TimeoutException>(thrown.InnerException);
        Assert.Single(service.Seen);
    }

    [Fact]
    public async Task A_caller_that_leaves_ends_the_request_and_says_nothing_about_the_service()
    {
        using var service = new FakeService(request => request.Address.AbsolutePath == "/hang" ? FakeService.Hang(request) : FakeService.Status(HttpStatusCode.OK), Breaking);
        for (var i = 0; i < 10; i++)
        {
            using var caller = new CancellationTokenSource();
            var running = service.Client.GetAsync("/hang", caller.Token);
            await caller.CancelAsync();
            await Assert.ThrowsAnyAsync<OperationCanceledException>(() => service.Pass(running));
        }

        using var answer = await service.GetAsync();
        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
    }

    [Fact]
    public async Task An_open_breaker_refuses_without_sending_and_says_so()
    {
        using var service = new FakeService(_ => FakeService.Status(HttpStatusCode.InternalServerError), Breaking);
        for (var i = 0; i < 5; i++)
            (await service.GetAsync()).Dispose();
        var thrown = await Assert.ThrowsAsync<HttpRequestException>(() => service.GetAsync());
        var refused = Assert.IsType<ResilienceRefusedException>(thrown.InnerException);
        Assert.Equal(PipelineRefusal.BreakerOpen, refused.Refusal);
        Assert.InRange(refused.RetryAfter, TimeSpan.FromSeconds(2), TimeSpan.FromSeconds(5));
        Assert.Equal(5, service.Seen.Count);
    }

    [Fact]
    public async Task Each_host_has_a_breaker_of_its_own()
    {
        using var service = new FakeService(
            request => FakeService.Status(request.Address.Host == "bad.test" ? HttpStatusCode.InternalServerError : HttpStatusCode.OK), Breaking);
        for (var i = 0; i < 5; i++)
            (await service.GetAsync("http://bad.test/")).Dispose();
        await Assert.ThrowsAsync<HttpRequestException>(() => service.GetAsync("http://bad.test/"));
        using var answer = await service.GetAsync("http://good.test/");
        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
    }

    [Fact]
    public async Task Retries_stop_when_the_budget_is_spent()
    {
        using var service = new FakeService(_ => FakeService.Status(HttpStatusCode.InternalServerError), options =>
        {
            options.Retry = new RetryOptions { Attempts = 4, Backoff = BackoffKind.None };
        });
        for (var i = 0; i < 100; i++)
            (await service.GetAsync()).Dispose();
        // 1/s for ten seconds are there whatever happens; the rest would have to be earned.
        Assert.Equal(110, service.Seen.Count);
    }

    [Fact]
    public async Task A_hedge_answers_for_a_first_attempt_that_takes_long_and_ends_it()
    {
        using var service = new FakeService(
            request => request.Number == 1 ? FakeService.Hang(request) : FakeService.Status(HttpStatusCode.OK), options => options.Hedging = new HedgingOptions { Delay = TimeSpan.FromMilliseconds(100) });
        var began = service.Time.GetUtcNow();
        using var answer = await service.GetAsync();
        Assert.Equal((HttpStatusCode.OK, 2), (answer.StatusCode, service.Seen.Count));
        Assert.InRange(service.Time.GetUtcNow() - began, TimeSpan.FromMilliseconds(100), TimeSpan.FromSeconds(1));
        Assert.True(service.Seen[0].Cancellation.IsCancellationRequested);
        Assert.False(service.Seen[1].Cancellation.IsCancellationRequested);
    }

    [Fact]
    public async Task A_post_is_not_hedged()
    {
        using var service = new FakeService(FakeService.Hang, options =>
        {
            options.Hedging = new HedgingOptions { Delay = TimeSpan.FromMilliseconds(100) };
            options.Timeout = TimeSpan.FromSeconds(1);
        });
        await Assert.ThrowsAsync<TaskCanceledException>(() => service.Pass(service.Client.PostAsync("/", null, Stop)));
        Assert.Single(service.Seen);
    }

    [Fact]
    public async Task A_request_waits_for_a_place_and_gets_it_when_another_ends()
    {
        var gate = new TaskCompletionSource<HttpResponseMessage>();
        using var service = new FakeService(request => request.Number == 1 ? gate.Task : FakeService.Status(HttpStatusCode.OK), Limited(queue: 10));
        var first = service.Client.GetAsync("/", Stop);
        var second = service.Client.GetAsync("/", Stop);
        Assert.Single(service.Seen);
        gate.SetResult(new HttpResponseMessage(HttpStatusCode.OK));
        using var one = await service.Pass(first);
        using var two = await service.Pass(second);
        Assert.Equal((HttpStatusCode.OK, 2), (two.StatusCode, service.Seen.Count));
    }

    [Fact]
    public async Task A_request_that_gets_no_place_is_refused_within_the_wait()
    {
        using var service = new FakeService(FakeService.Hang, Limited(queue: 10));
        var first = service.Client.GetAsync("/", Stop);
        var began = service.Time.GetUtcNow();
        var thrown = await Assert.ThrowsAsync<HttpRequestException>(() => service.GetAsync());
        Assert.Equal(PipelineRefusal.LimitReached, Assert.IsType<ResilienceRefusedException>(thrown.InnerException).Refusal);
        Assert.InRange(service.Time.GetUtcNow() - began, TimeSpan.FromMilliseconds(90), TimeSpan.FromSeconds(2));
        Assert.Single(service.Seen);
        Assert.False(first.IsCompleted);
    }

    [Fact]
    public async Task A_caller_that_leaves_the_queue_leaves_no_place_taken()
    {
        var gate = new TaskCompletionSource<HttpResponseMessage>();
        using var service = new FakeService(request => request.Number == 1 ? gate.Task : FakeService.Status(HttpStatusCode.OK), Limited(queue: 10));
        var first = service.Client.GetAsync("/", Stop);
        using var caller = new CancellationTokenSource();
        var second = service.Client.GetAsync("/", caller.Token);
        await caller.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => second);
        gate.SetResult(new HttpResponseMessage(HttpStatusCode.OK));
        using var one = await first;
        using var three = await service.GetAsync();
        Assert.Equal(2, service.Seen.Count);
    }

    [Fact]
    public async Task A_service_that_refuses_nearly_everything_is_asked_less()
    {
        using var service = new FakeService(_ => FakeService.Status(HttpStatusCode.TooManyRequests), options => (options.Retry, options.Throttle) = (null, new ThrottleOptions()));
        var held = 0;
        for (var i = 0; i < 200; i++)
        {
            try
            {
                (await service.GetAsync()).Dispose();
            }
            catch (HttpRequestException thrown) when (thrown.InnerException is ResilienceRefusedException { Refusal: PipelineRefusal.Throttled })
            {
                held++;
            }
        }

        Assert.InRange(held, 150, 199);
        Assert.Equal(200 - held, service.Seen.Count);
    }

    [Fact]
    public async Task A_service_behind_malha_is_told_the_time_that_is_left_and_the_attempt()
    {
        using var service = new FakeService(request => FakeService.Status(request.Number == 1 ? HttpStatusCode.InternalServerError : HttpStatusCode.OK), options =>
        {
            options.SendMalhaHeaders = true;
            options.Timeout = TimeSpan.FromSeconds(2);
        });
        using var answer = await service.GetAsync();
        Assert.Equal(["1", "2"], service.Seen.Select(seen => seen.Headers["Malha-Attempt"]));
        Assert.Equal("2000", service.Seen[0].Headers["Malha-Timeout"]);
        Assert.InRange(int.Parse(service.Seen[1].Headers["Malha-Timeout"], System.Globalization.CultureInfo.InvariantCulture), 1500, 2000);
    }

    [Fact]
    public async Task What_the_service_said_last_is_told_when_it_is_not_asked_again()
    {
        using var service = new FakeService(_ => FakeService.Status(HttpStatusCode.TooManyRequests), options =>
        {
            options.Retry = new RetryOptions { Attempts = 20, Backoff = BackoffKind.None };
            options.Budget = null;
            options.Throttle = new ThrottleOptions();
        });
        using var answer = await service.GetAsync();
        Assert.Equal(HttpStatusCode.TooManyRequests, answer.StatusCode);
        Assert.InRange(service.Seen.Count, 1, 19);
    }

    [Fact]
    public async Task Synchronous_calls_would_go_past_the_policies_and_are_refused()
    {
        using var service = new FakeService(_ => FakeService.Status(HttpStatusCode.OK));
        using var request = new HttpRequestMessage(HttpMethod.Get, "/");
        await Task.Run(() => Assert.Throws<NotSupportedException>(() => service.Client.Send(request, Stop)), Stop);
        Assert.Empty(service.Seen);
    }

    [Fact]
    public async Task A_mistake_of_the_program_is_thrown_as_it_is_and_opens_no_breaker()
    {
        using var service = new FakeService(request => request.Number <= 10 ? throw new InvalidOperationException("a bug") : FakeService.Status(HttpStatusCode.OK), Breaking);
        for (var i = 0; i < 10; i++)
            Assert.Equal("a bug", (await Assert.ThrowsAsync<InvalidOperationException>(() => service.GetAsync())).Message);
        using var answer = await service.GetAsync();
        Assert.Equal((HttpStatusCode.OK, 11), (answer.StatusCode, service.Seen.Count));
    }

    [Fact]
    public void All_that_is_wrong_with_the_settings_is_said_at_once()
    {
        using var service = new FakeService(FakeService.Hang, options =>
        {
            options.Timeout = TimeSpan.Zero;
            options.Retry = new RetryOptions { Attempts = 0 };
            options.Concurrency = new AdmissionOptions { Queue = -1 };
        });
        var thrown = Assert.Throws<OptionsValidationException>(() => service.Client);
        Assert.Equal(
            [
                "AddMalhaResilience of client \"test\": Timeout must be longer than 0",
                "AddMalhaResilience of client \"test\": Retry.Attempts must be between 1 and 20",
                "AddMalhaResilience of client \"test\": Concurrency.Queue must not be negative",
            ],
            thrown.Failures);
    }

    [Fact]
    public async Task A_second_call_for_the_same_client_changes_its_settings_and_puts_nothing_twice()
    {
        var services = new ServiceCollection();
        var sent = 0;
        services.AddHttpClient("one").AddMalhaResilience(options => options.Retry = new RetryOptions { Attempts = 2, Backoff = BackoffKind.None })
            .ConfigurePrimaryHttpMessageHandler(() => new Failing(() => sent++));
        services.AddHttpClient("one").AddMalhaResilience(options => options.ReplayBytes = 7);
        await using var provider = services.BuildServiceProvider();
        using var client = provider.GetRequiredService<IHttpClientFactory>().CreateClient("one");
        using var answer = await client.GetAsync("http://payments.test/", Stop);
        Assert.Equal(2, sent);
        Assert.Equal(7, provider.GetRequiredService<IOptionsMonitor<HttpResilienceOptions>>().Get("one").ReplayBytes);
    }

    [Fact]
    public async Task What_was_learned_outlives_the_factorys_handlers()
    {
        using var service = new FakeService(_ => FakeService.Status(HttpStatusCode.InternalServerError), Breaking);
        for (var i = 0; i < 5; i++)
            (await service.GetAsync()).Dispose();
        using var fresh = service.FreshClient();
        var thrown = await Assert.ThrowsAsync<HttpRequestException>(() => service.Pass(fresh.GetAsync("/", Stop)));
        Assert.IsType<ResilienceRefusedException>(thrown.InnerException);
    }

    [Fact]
    public async Task Settings_from_configuration_apply_while_the_program_runs()
    {
        var configuration = new ConfigurationBuilder().AddInMemoryCollection(new Dictionary<string, string?> { ["Retry:Attempts"] = "2", ["Retry:Backoff"] = "None" }).Build();
        using var service = new FakeService(_ => FakeService.Status(HttpStatusCode.InternalServerError), configuration: configuration);
        (await service.GetAsync()).Dispose();
        Assert.Equal(2, service.Seen.Count);
        configuration["Retry:Attempts"] = "5";
        configuration.Reload();
        (await service.GetAsync()).Dispose();
        Assert.Equal(7, service.Seen.Count);
    }

    [Fact]
    public void The_defaults_are_good() => Assert.Empty(new HttpResilienceOptions().Validate());

    private static void Breaking(HttpResilienceOptions options) => (options.Retry, options.Breaker) = (null, new BreakerOptions());

    private static Action<HttpResilienceOptions> Limited(int queue) => options => options.Concurrency = new AdmissionOptions { Limit = new ConcurrencyLimitOptions { Fixed = 1 }, Queue = queue };

    private sealed class Failing(Action sent) : HttpMessageHandler
    {
        protected override Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
        {
            sent();
            return FakeService.Status(HttpStatusCode.InternalServerError);
        }
    }

    /// <summary>As a network stream: its length is not known.</summary>
    private sealed class Unseekable(Stream inner) : Stream
    {
        public override bool CanRead => true;

        public override bool CanSeek => false;

        public override bool CanWrite => false;

        public override long Length => throw new NotSupportedException();

        public override long Position { get => throw new NotSupportedException(); set => throw new NotSupportedException(); }

        public override int Read(byte[] buffer, int offset, int count) => inner.Read(buffer, offset, count);

        public override void Flush() => throw new NotSupportedException();

        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

        public override void SetLength(long value) => throw new NotSupportedException();

        public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();

        protected override void Dispose(bool disposing)
        {
            if (disposing)
                inner.Dispose();
            base.Dispose(disposing);
        }
    }
}
