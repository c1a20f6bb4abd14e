namespace Malha.Proxy.Deferral;

/// <summary>
/// The durable lane as the pipeline knows it: requests of routes that defer pass it before and after their attempts. Whatever it does that may take a disk's time it does
/// elsewhere than on the thread that calls it. An answer that it has given shows in the exchange's response.
/// </summary>
internal interface IDeferral
{
    /// <summary>
    /// Before the attempts: what must be known of a request that may yet be deferred is noted, one that is to be accepted now is accepted and answered, and one that may not
    /// go on (its Idempotency-Key is missing, running, or used for another payload) is refused.
    /// </summary>
    ValueTask<Refusal> BeginAsync(Exchange exchange);

    /// <summary>After the attempts: accepts what could not be done now, and answers 202; else why not.</summary>
    /// <param name="exchange">Nothing has been answered yet.</param>
    /// <param name="refusal">Why it could not be done. It is given back when that is no reason to defer.</param>
    ValueTask<Refusal> InsteadAsync(Exchange exchange, Refusal refusal);

    /// <summary>The exchange has been answered, or will not be: its Idempotency-Key may be used again.</summary>
    void Ended(Exchange exchange);

    /// <summary>Answers a request for one of the lane's own resources.</summary>
    ValueTask<Refusal> AnswerAsync(Exchange exchange);
}

/// <summary>Takes a copy of a request's body as it comes.</summary>
internal interface IBodyKeeper
{
    /// <summary>Whether what it has must go elsewhere before more comes.</summary>
    bool IsFull { get; }

    /// <summary>Never more than a page or two between two looks at <see cref="IsFull"/>; the first piece may be larger.</summary>
    void Add(ReadOnlySpan<byte> bytes);

    /// <summary>Makes room.</summary>
    ValueTask SpillAsync();
}
