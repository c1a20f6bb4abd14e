namespace Malha.Delivery.Callbacks;

/// <summary>What became of one attempt to tell an operation's end.</summary>
/// <param name="Status">The receiver's answer; 0: there was none.</param>
/// <param name="Problem">Why there was none.</param>
/// <param name="RetryAfter">When the receiver wants to be asked again.</param>
internal readonly record struct CallbackOutcome(int Status, string Problem = "", TimeSpan? RetryAfter = null)
{
    /// <summary>The problem of an address that must not be connected to.</summary>
    public const string Refused = "address-refused";

    public bool IsTaken => Status is >= 200 and < 300;

    /// <summary>The receiver wants no more of it.</summary>
    public bool IsGone => Status == 410;
}
