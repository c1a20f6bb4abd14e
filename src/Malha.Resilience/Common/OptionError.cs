namespace Malha.Resilience;

/// <summary>One thing wrong with a policy's settings: the option's name and what it must be instead.</summary>
public readonly record struct OptionError(string Option, string Problem);

/// <summary>Collects all errors of one set of options, so that an operator mends them in one go.</summary>
internal struct OptionChecks
{
    private List<OptionError>? _errors;

    public readonly IReadOnlyList<OptionError> Errors => _errors is null ? [] : _errors;

    public void Require(bool holds, string option, string problem)
    {
        if (!holds)
            (_errors ??= []).Add(new OptionError(option, problem));
    }

    public void Positive(TimeSpan value, string option) => Require(value > TimeSpan.Zero, option, "must be longer than 0");

    public void Share(double value, string option) => Require(value is > 0 and <= 1, option, "must be more than 0 % and at most 100 %");

    public void AtLeast(int value, int least, string option) =>
        Require(value >= least, option, string.Create(System.Globalization.CultureInfo.InvariantCulture, $"must be at least {least}"));
}
