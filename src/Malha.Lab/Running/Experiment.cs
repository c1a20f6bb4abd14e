using Malha.Lab.Reports;

namespace Malha.Lab.Running;

/// <summary>One thing that the lab can show: a number of independent runs, and what follows from them.</summary>
internal abstract class Experiment
{
    public abstract string Name { get; }

    public abstract string Title { get; }

    public abstract string Why { get; }

    public abstract string Setup { get; }

    /// <summary>Declares the runs on <paramref name="plan"/> and gives what concludes from them once all are done.</summary>
    public abstract Func<Findings> Plan(ExperimentPlan plan, ulong seed);
}

/// <summary>What an experiment concludes.</summary>
internal sealed record Findings(Verdict Verdict, IReadOnlyList<FigureTable> Tables, IReadOnlyList<Plot> Plots);

/// <summary>The runs of an experiment. Each has its own seed and shares nothing, so that any number of threads gives the same figures.</summary>
internal sealed class ExperimentPlan
{
    private readonly List<Action> _runs = [];

    public IReadOnlyList<Action> Runs => _runs;

    public Pending<T> Add<T>(Func<T> run)
        where T : class
    {
        var pending = new Pending<T>();
        _runs.Add(() => pending.Value = run());
        return pending;
    }

    public IReadOnlyList<Pending<T>> AddAll<T>(IEnumerable<Func<T>> runs)
        where T : class => runs.Select(Add).ToList();
}

/// <summary>The result of a run that is made later.</summary>
internal sealed class Pending<T>
    where T : class
{
    private T? _value;

    public T Value
    {
        get => _value ?? throw new InvalidOperationException("the run has not been made");
        set => _value = value;
    }
}
