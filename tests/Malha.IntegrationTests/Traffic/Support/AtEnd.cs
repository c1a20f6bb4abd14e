namespace Malha.IntegrationTests.Traffic.Support;

/// <summary>Lets go what a test holds back, also when the test has failed: whoever waits for it would else run into a timeout, which hides what failed.</summary>
internal sealed class AtEnd(Action act) : IDisposable
{
    public void Dispose() => act();
}
