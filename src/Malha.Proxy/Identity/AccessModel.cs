using Malha.Configuration;

namespace Malha.Proxy.Identity;

/// <summary>Who may call a route. 401 when it may help to say who one is, 403 when it is known and does not.</summary>
internal sealed class AccessModel
{
    private readonly bool _isAuthRequired;
    private readonly bool[]? _isAllowed;
    private readonly string _authRule;
    private readonly string _allowRule;

    /// <param name="route">The settings.</param>
    /// <param name="clients">All clients, in the order of the file.</param>
    public AccessModel(RouteConfig route, ConfigList<ClientConfig> clients)
    {
        _isAuthRequired = route.Auth == AuthKind.Required;
        _isAllowed = route.Allow.Count == 0 ? null : [.. clients.Select(client => route.Allow.Contains(client.Name))];
        _authRule = route.Source.Of("auth").Path;
        _allowRule = route.Source.Of("allow").Path;
    }

    public Refusal Judge(ClientModel? client)
    {
        var isRecognised = client is { IsRecognised: true };
        if (_isAuthRequired && !isRecognised)
            return new Refusal(RefusalKind.Unauthenticated, Rule: _authRule);
        if (_isAllowed is null || (client is not null && _isAllowed[client.Index]))
            return Refusal.None;
        return new Refusal(isRecognised ? RefusalKind.Forbidden : RefusalKind.Unauthenticated, Rule: _allowRule);
    }
}
