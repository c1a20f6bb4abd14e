using Malha.Lab.Reports;

namespace Malha.Lab.Running;

/// <summary>
/// Runs experiments: all runs of all experiments are one list, worked off by so many threads; then each experiment concludes. Figures depend on the seed
/// alone, never on the threads or the order.
/// </summary>
internal sealed class LabRun
{
    private readonly ulong _seed;
    private readonly List<(Experiment Experiment, Func<Findings> Conclude)> _experiments = [];
    private readonly List<Action> _runs = [];
    private int _done;

    public LabRun(IEnumerable<Experiment> experiments, ulong seed)
    {
        _seed = seed;
        foreach (var experiment in experiments)
        {
            var plan = new ExperimentPlan();
            _experiments.Add((experiment, experiment.Plan(plan, seed)));
            _runs.AddRange(plan.Runs);
        }
    }

    public int Total => _runs.Count;

    /// <summary>Runs that are done so far.</summary>
    public int Done => Volatile.Read(ref _done);

    public LabReport Run(int threads, CancellationToken cancellation)
    {
        var next = -1;
        var options = new ParallelOptions { MaxDegreeOfParallelism = threads, CancellationToken = cancellation };
        // One by one in their order: the range partitioner would give one thread the first half, with all that takes long.
        Parallel.For(0, threads, options, _ =>
        {
            while (!cancellation.IsCancellationRequested && Interlocked.Increment(ref next) is var index && index < _runs.Count)
            {
                _runs[index]();
                Interlocked.Increment(ref _done);
            }
        });
        cancellation.ThrowIfCancellationRequested();
        return new LabReport(_seed, _experiments.ConvertAll(Conclude));
    }

    private ExperimentReport Conclude((Experiment Experiment, Func<Findings> Conclude) one)
    {
        var findings = one.Conclude();
        return new ExperimentReport
        {
            Name = one.Experiment.Name,
            Title = one.Experiment.Title,
            Why = one.Experiment.Why,
            Setup = one.Experiment.Setup,
            Seed = _seed,
            Verdict = findings.Verdict,
            Tables = findings.Tables,
            Plots = findings.Plots,
        };
    }
}
