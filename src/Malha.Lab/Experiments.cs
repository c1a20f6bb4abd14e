using Malha.Lab.Backoff;
using Malha.Lab.Breaker;
using Malha.Lab.Domino;
using Malha.Lab.Limits;
using Malha.Lab.Metastability;
using Malha.Lab.RetryStorm;
using Malha.Lab.Running;
using Malha.Lab.Shares;

namespace Malha.Lab;

/// <summary>All experiments, in the order in which a newcomer reads them.</summary>
internal static class Experiments
{
    public static IReadOnlyList<Experiment> All { get; } =
    [
        new DominoExperiment(),
        new BreakerExperiment(),
        new RetryStormExperiment(),
        new BackoffComparison(),
        new SharesExperiment(),
        new LimitsExperiment(),
        new MetastabilityExperiment(),
    ];
}
