using System.Collections.Concurrent;
using System.Diagnostics.Tracing;

namespace Malha.IntegrationTests.Traffic.Support;

/// <summary>Counts the types that are allocated in this process, one sample for each 100 KB.</summary>
internal sealed class AllocationListener : EventListener
{
    private readonly ConcurrentDictionary<string, int> _samples = new();

    public string Show() => string.Join('\n', _samples.OrderByDescending(sample => sample.Value).Take(12).Select(sample => $"  {sample.Value} samples of {sample.Key}"));

    protected override void OnEventSourceCreated(EventSource eventSource)
    {
        const EventKeywords Gc = (EventKeywords)1;
        if (eventSource.Name == "Microsoft-Windows-DotNETRuntime")
            EnableEvents(eventSource, EventLevel.Verbose, Gc);
    }

    protected override void OnEventWritten(EventWrittenEventArgs eventData)
    {
        if (eventData.EventName is { } name && name.StartsWith("GCAllocationTick", StringComparison.Ordinal) && eventData.PayloadNames!.IndexOf("TypeName") is >= 0 and var at)
            _samples.AddOrUpdate(eventData.Payload![at] as string ?? "?", 1, (_, count) => count + 1);
    }
}
