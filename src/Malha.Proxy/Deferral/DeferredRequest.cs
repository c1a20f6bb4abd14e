namespace Malha.Proxy.Deferral;

/// <summary>That a request was accepted for later: what for, and why.</summary>
/// <param name="Operation">The operation's name.</param>
/// <param name="Acks">What was promised: none, leader or all.</param>
/// <param name="Why">What kept it from being done at once; none: the route defers it in any case, the client asked for it, or its turn is behind others of its key.</param>
internal sealed record DeferredRequest(string Operation, string Acks, Refusal Why);
