using System.Reflection;

namespace Malha.Tests;

/// <summary>References between the projects point one way (docs/architecture.md); this is the one place that checks it.</summary>
public sealed class ArchitectureTests
{
    /// <summary>Which of our assemblies each of ours may reference.</summary>
    private static readonly Dictionary<string, string[]> Allowed = new()
    {
        ["Malha.Resilience"] = [],
        ["Malha.Resilience.Http"] = ["Malha.Resilience"],
        ["Malha.Configuration"] = ["Malha.Resilience"],
        ["Malha.Proxy"] = ["Malha.Configuration", "Malha.Resilience"],
        ["Malha.Delivery"] = ["Malha.Proxy", "Malha.Configuration", "Malha.Resilience"],
        ["Malha.ControlPlane"] = ["Malha.Delivery", "Malha.Proxy", "Malha.Configuration", "Malha.Resilience"],
        ["Malha.Lab"] = ["Malha.Delivery", "Malha.Proxy", "Malha.Configuration", "Malha.Resilience"],
        ["Malha.Dashboard"] = [],
    };

    [Fact]
    public void References_point_one_way()
    {
        foreach (var path in Directory.GetFiles(AppContext.BaseDirectory, "Malha.*.dll"))
        {
            var name = Path.GetFileNameWithoutExtension(path);
            if (!Allowed.TryGetValue(name, out var allowed))
                continue;

            var ours = Assembly.LoadFrom(path).GetReferencedAssemblies()
                .Select(reference => reference.Name!)
                .Where(reference => reference.StartsWith("Malha.", StringComparison.Ordinal) || reference == "malha");
            Assert.Empty(ours.Except(allowed));
        }
    }

    [Fact]
    public void Resilience_stands_on_the_base_class_library_alone()
    {
        var references = Assembly.Load("Malha.Resilience").GetReferencedAssemblies().Select(reference => reference.Name!);
        Assert.All(references, name => Assert.True(name.StartsWith("System.", StringComparison.Ordinal) || name is "netstandard", name));
    }
}
