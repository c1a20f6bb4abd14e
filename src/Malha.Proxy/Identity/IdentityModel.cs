using System.Buffers.Text;
using System.Text;
using Malha.Configuration;
using Malha.Proxy.Rpc;
using Malha.Proxy.Http1;
using Malha.Proxy.RateLimiting;
using Malha.Resilience;

namespace Malha.Proxy.Identity;

/// <summary>
/// Who calls and how much they may, compiled: the steps identify, authorize and rate-limit of a request's way. The first of the file's clients that takes the
/// request is its client. A credential of a kind that the file uses, presented and not that of a client that may call from there, is refused, and
/// never taken for nobody's.
/// </summary>
internal sealed class IdentityModel
{
    private readonly CallerStates _states;
    private readonly ClientModel[] _clients;
    private readonly CredentialTable[] _tables;
    private readonly NetworkTable _byAddress;
    private readonly int _anybody;
    private readonly NetworkTable _trustedMalha;
    private readonly byte[][] _classNames;
    private readonly AccessModel[] _access;
    private readonly LimitSet?[] _routeLimits;
    private readonly bool[] _hasRouteLimits;
    private readonly ulong[] _clientIds;

    private IdentityModel(MalhaConfig config, IdentityModel? previous, CallerStates states)
    {
        _states = states;
        Classes = ClassModel.Compile(config.Classes);
        LowestClass = Math.Max(0, Classes.Length - 1);
        var before = previous?._clients.ToDictionary(client => client.Name, client => client.State, StringComparer.Ordinal) ?? [];
        _clients = [.. config.Clients.Select((client, index) => new ClientModel(client, index, ClassOf(client),
            LimitSet.Compile(client.Limits, $"client\0{client.Name}", client.Name, states.Limiter), before.GetValueOrDefault(client.Name) ?? new ClientState()))];
        _clientIds = [.. _clients.Select(client => states.Limiter.IdOf(client.Name))];
        _tables = [.. Tables(config.Clients)];
        _byAddress = new NetworkTable(_clients.Where(client => client.Config is { ApiKeys.Count: 0, Header: null })
            .SelectMany(client => client.Config.Addresses, (client, network) => (network, client.Index)));
        _anybody = Array.FindIndex(_clients, client => client.Config.Any);
        _trustedMalha = new NetworkTable(config.TrustedMalha);
        _classNames = [.. Classes.Select(one => Encoding.ASCII.GetBytes(one.Name))];

        _access = [.. config.Routes.Select(route => new AccessModel(route, config.Clients))];
        _hasRouteLimits = [.. config.Routes.Select(route => route.Limits is not null)];
        _routeLimits = [.. config.Routes.Select((route, index) => (Name: route.Name ?? $"routes[{index}]", route.Limits))
            .Select(route => LimitSet.Compile(route.Limits ?? [], $"route\0{route.Name}", route.Name, states.Limiter))];

        foreach (var table in _tables.Where(table => table.IsCredential && table.Known != KnownHeader.Other))
            CredentialHeaders |= table.Known.Bit();
        CredentialNames = [.. _tables.Where(table => table.IsCredential && table.Known == KnownHeader.Other).Select(table => table.Name)];
    }

    /// <summary>In the order of the file.</summary>
    public ReadOnlySpan<ClientModel> Clients => _clients;

    /// <summary>In the order of the file, the most important first; empty when all clients are alike.</summary>
    public ClassModel[] Classes { get; }

    /// <summary>The class of a client that the file gives none, and of callers that no client takes: the last one, 0 when there are none.</summary>
    public int LowestClass { get; }

    public CallerStates States => _states;

    /// <summary>Bits of the known headers that carry credentials here.</summary>
    public ulong CredentialHeaders { get; }

    /// <summary>The names of the other ones.</summary>
    public byte[][] CredentialNames { get; }

    public static IdentityModel Compile(MalhaConfig config, IdentityModel? previous, Clock clock) =>
        new(config, previous, previous?._states ?? new CallerStates(clock));

    /// <summary>The limits of a route instead of its clients'; null when it has none of its own, or is exempt.</summary>
    public LimitSet? LimitsOf(int route) => _routeLimits[route];

    /// <summary>The limits of a client's request to a route: the route's, else the client's; null when it is not limited.</summary>
    public LimitSet? LimitsOf(ClientModel? client, int route) => _hasRouteLimits[route] ? _routeLimits[route] : client?.Limits;

    /// <summary>What a client is called where limits are counted; 0: nobody known.</summary>
    public ulong IdOf(ClientModel? client) => client is null ? 0 : _clientIds[client.Index];

    /// <summary>Who calls: before anything else, since what follows depends on it.</summary>
    public Refusal Identify(Exchange exchange)
    {
        var caller = exchange.Caller;
        var head = exchange.Request;
        var connection = exchange.Connection;
        caller.ShareClass = LowestClass;
        caller.AddressIsCertain = true;
        caller.Address = connection.Peer;
        caller.Identity = connection.Channel.Tls?.Peer;
        if ((head.Has(KnownHeader.XForwardedFor) || head.Has(KnownHeader.Forwarded)) && connection.PeerIsTrusted)
        {
            caller.AddressIsCertain = ForwardedAddress.TryFind(head, connection.Peer, connection.TrustedProxies, out var address);
            caller.Address = address;
        }

        if (_clients.Length > 0)
        {
            var found = FindClient(head, caller);
            if (found == CredentialTable.Unknown)
                return _states.Failures.Charge(caller.Address, _states.Clock.At(exchange.StartedAt));
            if (found >= 0)
            {
                caller.Client = _clients[found];
                caller.ShareClass = caller.Client.ShareClass;
            }
        }
        if (head.Has(KnownHeader.MalhaTimeout) || head.Has(KnownHeader.MalhaAttempt) || head.Has(KnownHeader.MalhaClass))
            Believe(head, caller, connection.Peer);
        // A caller may always ask for less time than it has.
        if (exchange.IsGrpc && GrpcCall.TimeoutOf(head) is { } timeout)
            exchange.LimitCall(timeout);
        return Refusal.None;
    }

    /// <summary>Whether the client may call the route; what has none (the gateway's own resources) judges by itself.</summary>
    public Refusal Authorize(Exchange exchange) => exchange.Route is { } route ? _access[route.Index].Judge(exchange.Caller.Client) : Refusal.None;

    /// <summary>The same for a client by its name, for <c>explain</c>.</summary>
    public Refusal Authorize(ClientModel? client, int route) => _access[route].Judge(client);

    /// <summary>Takes the request from its limits.</summary>
    public Refusal Limit(Exchange exchange)
    {
        var caller = exchange.Caller;
        return (exchange.Route is { } route ? LimitsOf(caller.Client, route.Index) : caller.Client?.Limits) is not { } limits ? Refusal.None
            : _states.Limiter.Take(limits, IdOf(caller.Client), caller, _states.Clock.At(exchange.StartedAt));
    }

    /// <summary>The same of limits that only a store can tell which counts for several gateways.</summary>
    public ValueTask<Refusal> LimitSharedAsync(Exchange exchange) =>
        _states.Limiter.TakeSharedAsync(exchange.Caller.Limits!, IdOf(exchange.Caller.Client), exchange.Caller, _states.Clock.At(exchange.StartedAt));

    /// <summary>What is left of a client's limit; null when each address has its own.</summary>
    public RateLimitDecision? Peek(LimitModel limit, ClientModel client) => _states.Limiter.Peek(limit, IdOf(client), _states.Clock.Now);

    // The first client that takes the request: by each kind of recognition the first one, of these the first. -1 when there is none; Unknown when a
    // credential is nobody's, or its owner may not call from there and somebody further down would be taken instead.
    private int FindClient(RequestHead head, Caller caller)
    {
        var first = _anybody < 0 ? int.MaxValue : _anybody;
        var passedOver = int.MaxValue;
        foreach (var table in _tables)
        {
            var owner = table.Find(head);
            if (owner >= 0 && _clients[owner].MayCallFrom(caller.Address, caller.AddressIsCertain))
                first = Math.Min(first, owner);
            else if (owner == CredentialTable.Unknown && table.IsCredential)
                return CredentialTable.Unknown;
            else if (owner >= 0 && table.IsCredential)
                passedOver = Math.Min(passedOver, owner);
        }
        if (caller.AddressIsCertain && _byAddress.Find(caller.Address) is var byAddress and >= 0)
            first = Math.Min(first, byAddress);
        if (passedOver < first)
            return CredentialTable.Unknown;
        return first == int.MaxValue ? CredentialTable.Absent : first;
    }

    // What another Malha says of the request; a stranger's word goes no further than here.
    private void Believe(RequestHead head, Caller caller, Ip peer)
    {
        if (!_trustedMalha.Contains(peer))
            return;
        if (TryNumber(head, KnownHeader.MalhaTimeout, out var timeoutMs))
            caller.RemainingTimeout = TimeSpan.FromMilliseconds(timeoutMs);
        if (TryNumber(head, KnownHeader.MalhaAttempt, out var attempt) && attempt >= 1)
            caller.InboundAttempt = attempt;
        if (!head.Has(KnownHeader.MalhaClass))
            return;
        var name = head.Value(KnownHeader.MalhaClass);
        for (var index = 0; index < _classNames.Length; index++)
        {
            if (name.SequenceEqual(_classNames[index]))
                caller.ShareClass = index;
        }
    }

    private static bool TryNumber(RequestHead head, KnownHeader header, out int number)
    {
        number = 0;
        return head.Has(header) && head.Value(header) is var text && Utf8Parser.TryParse(text, out number, out var length) && length == text.Length && number >= 0;
    }

    private int ClassOf(ClientConfig client) => client.Class is null ? LowestClass : Array.Find(Classes, one => one.Name == client.Class)!.Index;

    private IEnumerable<CredentialTable> Tables(ConfigList<ClientConfig> clients)
    {
        var keys = clients.SelectMany((client, index) => client.ApiKeys.Select(key => (key.Reveal(), index))).ToArray();
        if (keys.Length > 0)
            yield return new CredentialTable("X-Api-Key", isCredential: true, keys, _states.Hash);
        var headers = clients.Select((client, index) => (client.Header, Index: index)).Where(one => one.Header is not null);
        foreach (var header in headers.GroupBy(one => one.Header!.Name, StringComparer.OrdinalIgnoreCase))
        {
            var isCredential = header.First().Header!.SecretOrigin is not null;
            yield return new CredentialTable(header.Key, isCredential, [.. header.Select(one => (one.Header!.Value, one.Index))], _states.Hash);
        }
    }
}
