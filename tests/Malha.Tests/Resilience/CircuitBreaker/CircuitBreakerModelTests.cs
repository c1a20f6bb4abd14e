using Malha.Resilience;

namespace Malha.Tests.Resilience;

public sealed class CircuitBreakerModelTests
{
    private const int Sequences = 100_000;

    /// <summary>Random settings, calls, outcomes, cancellations, hangs, late answers and pauses: the breaker and its plain model never differ.</summary>
    [Fact]
    public void Any_sequence_agrees_with_the_plain_model()
    {
        var visited = new long[4];
        Parallel.For(0, Sequences, sequence =>
        {
            var seen = Run((ulong)sequence);
            for (var state = 0; state < 4; state++)
                Interlocked.Add(ref visited[state], seen[state]);
        });
        Assert.All(visited, count => Assert.True(count > Sequences / 4, string.Join(',', visited)));
    }

    private static int[] Run(ulong sequence)
    {
        var chance = new Chance(sequence);
        var options = RandomOptions(chance);
        var breaker = new CircuitBreaker(options, new Chance(sequence));
        var model = new ReferenceBreaker(options, sequence);
        var flying = new List<(BreakerPermit Permit, ReferenceBreaker.Call Call)>();
        var seen = new int[4];
        var now = At.Seconds(1_000 + chance.NextDouble());
        var failing = chance.NextDouble();
        var length = 8 + chance.Next(28);
        for (var step = 0; step < length; step++)
        {
            now += Pause(chance);
            if (chance.Next(12) == 0)
                failing = chance.NextDouble();
            if (flying.Count == 0 || chance.Next(5) < 3)
            {
                var decision = breaker.TryAcquire(now);
                var call = model.Acquire(now);
                Assert.True(decision.Allowed == call is not null, $"sequence {sequence}, step {step}: {decision} against {model.State}");
                if (call is not null)
                    flying.Add((decision.Permit, call));
            }
            else
            {
                var index = chance.Next(flying.Count);
                var (permit, call) = flying[index];
                flying.RemoveAt(index);
                var outcome = chance.NextDouble() < failing ? (OutcomeKind)(1 + chance.Next(5)) : OutcomeKind.Success;
                breaker.Report(permit, outcome, now);
                model.Report(call, outcome, now);
            }

            // A snapshot says half-open as soon as the open time is over; the model says it at the next call.
            var snapshot = breaker.Snapshot(now);
            var same = snapshot.Generation == model.Generation && (snapshot.State == model.State || model.State == BreakerState.Open);
            Assert.True(same, $"sequence {sequence}, step {step}: {snapshot} against {model.State}");
            seen[(int)model.State]++;
        }

        return seen;
    }

    private static TimeSpan Pause(Chance chance) => chance.Next(20) switch
    {
        < 10 => TimeSpan.Zero,
        < 16 => At.Ms(chance.NextDouble() * 200),
        < 19 => At.Ms(chance.NextDouble() * 3_000),
        _ => At.Ms(chance.NextDouble() * 20_000),
    };

    private static BreakerOptions RandomOptions(Chance chance)
    {
        var probes = 1 + chance.Next(4);
        return new BreakerOptions
        {
            FailureRatio = chance.Next(4) == 0 ? null : .2 + .8 * chance.NextDouble(),
            Consecutive = chance.Next(3) == 0 ? null : 1 + chance.Next(5),
            SlowOver = chance.Next(2) == 0 ? null : At.Ms(100 + chance.Next(2_000)),
            SlowRatio = .2 + .8 * chance.NextDouble(),
            Window = At.S(1 + chance.Next(10)),
            Minimum = 1 + chance.Next(8),
            Open = At.Ms(100 + chance.Next(3_000)),
            OpenMax = At.S(4 + chance.Next(20)),
            Probes = probes,
            ProbeSuccesses = chance.Next(2) == 0 ? null : 1 + chance.Next(probes),
            ProbeLease = chance.Next(2) == 0 ? null : At.Ms(100 + chance.Next(3_000)),
            Ramp = chance.Next(3) == 0 ? TimeSpan.Zero : At.Ms(100 + chance.Next(5_000)),
        };
    }
}
