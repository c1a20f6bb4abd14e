using Malha.Resilience;

namespace Malha.Tests.Resilience;

public sealed class RetryPolicyTests
{
    private static readonly AttemptFacts Safe = new() { Outcome = OutcomeKind.Failure, Idempotent = true, FirstByteSent = true, BodyReplayable = true };

    [Fact]
    public void An_idempotent_failure_is_retryable() => Assert.Equal(Retryability.Retryable, Retryabilities.Judge(Safe));

    [Theory]
    [InlineData(OutcomeKind.Success, Retryability.NotAFailure)]
    [InlineData(OutcomeKind.Abandoned, Retryability.CallerLeft)]
    [InlineData(OutcomeKind.ConnectionFailure, Retryability.Retryable)]
    [InlineData(OutcomeKind.Timeout, Retryability.Retryable)]
    [InlineData(OutcomeKind.BackPressure, Retryability.Retryable)]
    public void The_outcome_decides_first(OutcomeKind outcome, Retryability expected) => Assert.Equal(expected, Retryabilities.Judge(Safe with { Outcome = outcome }));

    [Fact]
    public void What_may_have_been_executed_is_not_repeated_unless_idempotent()
    {
        var post = Safe with { Idempotent = false };
        Assert.Equal(Retryability.MayHaveBeenExecuted, Retryabilities.Judge(post));
        Assert.Equal(Retryability.Retryable, Retryabilities.Judge(post with { FirstByteSent = false }));
        Assert.Equal(Retryability.Retryable, Retryabilities.Judge(post with { Outcome = OutcomeKind.ConnectionFailure }));
    }

    [Fact]
    public void Answer_under_way_body_gone_or_retried_above_ends_it()
    {
        Assert.Equal(Retryability.AnswerStarted, Retryabilities.Judge(Safe with { AnswerStarted = true }));
        Assert.Equal(Retryability.BodyGone, Retryabilities.Judge(Safe with { BodyReplayable = false }));
        Assert.Equal(Retryability.RetriedAbove, Retryabilities.Judge(Safe with { RetriedAbove = true }));
    }

    [Fact]
    public void The_budget_is_asked_last_and_paid_at_the_decision()
    {
        var policy = new RetryPolicy(new RetryOptions { Attempts = 2, Backoff = BackoffKind.Exponential }, new Chance(1));
        var budget = new RetryBudget(new RetryBudgetOptions { FloorPerSecond = .1, Window = At.S(10) });
        var question = new RetryQuestion { AttemptsMade = 1, Deadline = Deadline.After(default, At.S(1)), TypicalLatency = At.Ms(10) };

        Assert.Equal(
            new RetryDecision(RetryVerdict.NotRetryable, default) { Retryability = Retryability.BodyGone },
            policy.Decide(question with { Retryability = Retryability.BodyGone }, budget, default));
        Assert.Equal(RetryVerdict.AttemptsSpent, policy.Decide(question with { AttemptsMade = 2 }, budget, default).Verdict);
        Assert.Equal(RetryVerdict.DeadlineTooNear, policy.Decide(question with { TypicalLatency = At.Ms(900) }, budget, default).Verdict);
        Assert.Equal(1, budget.Balance(default));
        Assert.Equal(new RetryDecision(RetryVerdict.Retry, At.Ms(100)), policy.Decide(question, budget, default));
        Assert.Equal(0, budget.Balance(default));
        Assert.Equal(RetryVerdict.BudgetSpent, policy.Decide(question, budget, default).Verdict);
    }

    [Fact]
    public void New_settings_apply_to_the_next_decision()
    {
        var policy = new RetryPolicy(new RetryOptions { Attempts = 1 }, new Chance(1));
        var question = new RetryQuestion { AttemptsMade = 1 };
        Assert.False(policy.Decide(question, null, default).ShouldRetry);
        policy.Update(new RetryOptions { Attempts = 2 });
        Assert.True(policy.Decide(question, null, default).ShouldRetry);
    }
}
