namespace Malha.Bench.Overload.Load;

/// <summary>Faults of the plan, each triggered at its moment over a connection that is open already.</summary>
internal sealed class Faults(IReadOnlyList<ActionPlan> actions) : IDisposable
{
    private readonly HttpClient _client = new();
    private readonly List<Task<HttpResponseMessage>> _triggered = [];
    private readonly ActionPlan[] _actions = [.. actions.OrderBy(action => action.At)];
    private int _next;

    /// <summary>The control port answers any path, if only 404: what counts is the connection.</summary>
    public async Task ConnectAsync()
    {
        foreach (var action in _actions)
            using (await _client.GetAsync(new Uri(action.Url)))
            {
            }
    }

    public void TriggerDue(long sinceBeginning)
    {
        while (_next < _actions.Length && _actions[_next].At * PreciseTime.Second <= sinceBeginning)
            _triggered.Add(_client.PostAsync(new Uri(_actions[_next++].Url), content: null));
    }

    public async Task DoneAsync()
    {
        foreach (var trigger in _triggered)
        {
            using var response = await trigger;
            response.EnsureSuccessStatusCode();
        }
    }

    public void Dispose() => _client.Dispose();
}
