namespace Malha.Delivery;

/// <summary>Leaves the socket engine's thread before anything that may wait for a disk.</summary>
internal static class Off
{
    public static async ValueTask EngineAsync()
    {
        if (!Thread.CurrentThread.IsThreadPoolThread)
            await Task.CompletedTask.ConfigureAwait(ConfigureAwaitOptions.ForceYielding);
    }
}
