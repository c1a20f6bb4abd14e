namespace Malha.Resilience;

/// <summary>One class of callers: what it is guaranteed of a service's concurrency, and what of that others may use while it does not.</summary>
public sealed record ShareOptions
{
    public required string Name { get; init; }

    /// <summary>Parts of the whole, relative to the other classes.</summary>
    public double Share { get; init; } = 1;

    /// <summary>From 0 to 1: how much of the guarantee is lent while it is idle.</summary>
    public double Lend { get; init; }
}

/// <summary>How calls are let to a service, and how the others wait. The classes are in order of priority, the most important first.</summary>
public sealed record AdmissionOptions
{
    public ConcurrencyLimitOptions Limit { get; init; } = new();

    /// <summary>What the service was designed to bear; null: only the limit decides.</summary>
    public RateLimitOptions? Capacity { get; init; }

    public IReadOnlyList<ShareOptions> Classes { get; init; } = [new ShareOptions { Name = "default" }];

    /// <summary>Waiting calls per class.</summary>
    public int Queue { get; init; } = Defaults.AdmissionQueue;

    /// <summary>How long a call waits while the queue empties now and then.</summary>
    public TimeSpan Wait { get; init; } = Defaults.AdmissionWait;

    /// <summary>How long it waits while the queue stands.</summary>
    public TimeSpan StandingWait { get; init; } = Defaults.AdmissionStandingWait;

    /// <summary>A queue that was not empty for so long stands.</summary>
    public TimeSpan StandingAfter { get; init; } = Defaults.AdmissionStandingAfter;

    /// <summary>How long a call waits in the first moments, and in a queue that moves.</summary>
    public TimeSpan PatientWait { get; init; } = Defaults.AdmissionPatientWait;

    /// <summary>How long the first moments last; 0: there are none, for who is warm when the first call comes.</summary>
    public TimeSpan StartingFor { get; init; }

    /// <summary>How many may wait so long in the first moments; more are a crowd.</summary>
    public int StartingQueue { get; init; } = Defaults.AdmissionStartingQueue;

    /// <summary>All that is wrong with these settings; empty when nothing is.</summary>
    public IReadOnlyList<OptionError> Validate()
    {
        var checks = new OptionChecks();
        checks.Require(Classes.Count is >= 1 and <= Defaults.AdmissionClassesAtMost, nameof(Classes), $"must be 1 to {Defaults.AdmissionClassesAtMost}");
        checks.Require(Classes.Select(c => c.Name).Distinct(StringComparer.Ordinal).Count() == Classes.Count, nameof(Classes), "must have different names");
        foreach (var shareClass in Classes)
        {
            checks.Require(shareClass.Share > 0 && double.IsFinite(shareClass.Share), $"Classes.{shareClass.Name}.Share", "must be more than 0");
            checks.Require(shareClass.Lend is >= 0 and <= 1, $"Classes.{shareClass.Name}.Lend", "must be between 0 % and 100 %");
        }

        checks.Require(Queue >= 0, nameof(Queue), "must not be negative");
        checks.Require(Wait >= TimeSpan.Zero, nameof(Wait), "must not be negative");
        checks.Require(StandingWait >= TimeSpan.Zero && StandingWait <= Wait, nameof(StandingWait), "must not be longer than the wait");
        checks.Require(PatientWait >= Wait, nameof(PatientWait), "must not be shorter than the wait");
        checks.Require(StartingFor >= TimeSpan.Zero, nameof(StartingFor), "must not be negative");
        checks.Positive(StandingAfter, nameof(StandingAfter));
        return [.. checks.Errors, .. Limit.Validate().Select(Inside(nameof(Limit))), .. Capacity?.Validate().Select(Inside(nameof(Capacity))) ?? []];

        static Func<OptionError, OptionError> Inside(string option) => error => error with { Option = $"{option}.{error.Option}" };
    }
}
