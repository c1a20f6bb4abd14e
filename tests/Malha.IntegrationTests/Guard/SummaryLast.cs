using Xunit.v3;

namespace Malha.IntegrationTests.Guard;

/// <summary>Runs a class's summary after all that it sums up.</summary>
internal sealed class SummaryLast : ITestMethodOrderer
{
    public const string Name = "Verdicts_are_summed_up";

    public IReadOnlyCollection<T?> OrderTestMethods<T>(IReadOnlyCollection<T?> testMethods)
        where T : notnull, Xunit.Sdk.ITestMethod =>
        [.. testMethods.OrderBy(method => method?.MethodName == Name)];
}
