namespace Malha.Resilience.Http;

/// <summary>Sends requests through the pipeline of their host. A refusal becomes an exception here, and nowhere else.</summary>
internal sealed class HttpResilienceHandler(HttpPipelines pipelines) : DelegatingHandler
{
    protected override async Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
    {
        if (request.RequestUri is not { IsAbsoluteUri: true } address)
            return await base.SendAsync(request, cancellationToken).ConfigureAwait(false);

        var options = pipelines.Options;
        var exchange = new HttpExchange(request, base.SendAsync, options)
        {
            Clock = pipelines.Clock,
            Deadline = Deadline.After(pipelines.Clock.Now, options.Timeout),
        };
        await exchange.PrepareAsync(cancellationToken).ConfigureAwait(false);
        var outcome = await pipelines.For(address).TryExecuteAsync(pipelines.Call, exchange, cancellationToken).ConfigureAwait(false);
        if (outcome.Refusal is not PipelineRefusal.None)
            throw Refused(outcome, address, cancellationToken);
        if (outcome.Exception is not { } problem)
            return outcome.Value!;
        if (outcome.Kind == OutcomeKind.Timeout)
            throw TimedOut(outcome, address, problem);
        return outcome.GetResultOrThrow();
    }

    /// <summary>Would otherwise go past the policies, without a word.</summary>
    protected override HttpResponseMessage Send(HttpRequestMessage request, CancellationToken cancellationToken) =>
        throw new NotSupportedException("AddMalhaResilience is for asynchronous calls: use SendAsync");

    private static Exception Refused(in Outcome<HttpResponseMessage> outcome, Uri address, CancellationToken caller) => outcome.Refusal switch
    {
        PipelineRefusal.Cancelled => new TaskCanceledException("The caller left while the request waited.", null, caller),
        PipelineRefusal.DeadlinePassed => TimedOut(outcome, address, null),
        _ => new HttpRequestException($"The request to {address.Authority} was not sent: {Words(outcome.Refusal)}.", new ResilienceRefusedException(outcome.Refusal, outcome.RetryAfter)),
    };

    /// <summary>As HttpClient tells its own timeout.</summary>
    private static TaskCanceledException TimedOut(in Outcome<HttpResponseMessage> outcome, Uri address, Exception? inner)
    {
        var text = FormattableString.Invariant($"The request to {address.Authority} had no answer in time, after {outcome.Attempts} attempts.");
        return new TaskCanceledException(text, new TimeoutException(text, inner));
    }

    private static string Words(PipelineRefusal refusal) => refusal switch
    {
        PipelineRefusal.BreakerOpen => "its circuit breaker is open",
        PipelineRefusal.LimitReached => "it has as many requests in flight as it can work on",
        PipelineRefusal.Throttled => "it refuses most requests at present",
        _ => refusal.ToString(),
    };
}
