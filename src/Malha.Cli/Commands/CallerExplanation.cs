using System.Text;
using System.Text.Json;
using Malha.Configuration;
using Malha.Proxy;
using Malha.Proxy.Downstream;
using Malha.Proxy.Identity;
using Malha.Proxy.RateLimiting;
using Malha.Proxy.Routing;
using Malha.Resilience;

namespace Malha.Cli.Commands;

/// <summary>What a client meets at a route, by the same model that judges real requests.</summary>
internal sealed class CallerExplanation
{
    private readonly ClientModel _client;
    private readonly ClassModel? _class;
    private readonly LimitModel[] _limits;
    private readonly Refusal _refusal;
    private readonly IReadOnlyList<EffectiveSetting> _settings;

    private CallerExplanation(ClientModel client, ClassModel? shareClass, LimitModel[] limits, Refusal refusal, IReadOnlyList<EffectiveSetting> settings)
    {
        _client = client;
        _class = shareClass;
        _limits = limits;
        _refusal = refusal;
        _settings = settings;
    }

    /// <summary>Whether it may not call the route.</summary>
    public bool IsRefused => !_refusal.IsNone;

    public static CallerExplanation Make(MalhaConfig config, string name, RouteModel? route)
    {
        var identity = IdentityModel.Compile(config, previous: null, new Clock(TimeProvider.System));
        var client = identity.Clients.ToArray().Single(one => one.Name == name);
        var limits = route is null ? client.Limits : identity.LimitsOf(client, route.Index);
        var refusal = route is null ? Refusal.None : identity.Authorize(client, route.Index);
        return new CallerExplanation(client, identity.Classes.ElementAtOrDefault(client.ShareClass), limits?.Limits ?? [], refusal, ConfigExplainer.List(config, $"clients.{name}"));
    }

    public void WriteText()
    {
        Console.WriteLine($"  client    {_client.Name}  ({_client.Config.Source})");
        if (_class is not null)
            Console.WriteLine($"  class     {_class.Name}, {Units.FormatShare(_class.Share)} guaranteed, of which {Units.FormatShare(_class.Lend)} is lent");
        if (IsRefused)
            Console.WriteLine($"  refused   {_refusal.Status} {Encoding.ASCII.GetString(ProblemWriter.Title(_refusal.Kind))}: {_refusal.Rule}");
        foreach (var limit in _limits)
            Console.WriteLine($"  limit     {limit.Detail}  ({limit.Rule})");
        if (_limits.Length == 0)
            Console.WriteLine("  limit     none");
        SettingLines.Write(Console.Out, [.. _settings]);
    }

    public void WriteJson(Utf8JsonWriter writer)
    {
        writer.WriteStartObject("client");
        writer.WriteString("name", _client.Name);
        writer.WriteString("class", _class?.Name);
        writer.WriteNumber("status", IsRefused ? _refusal.Status : 200);
        writer.WriteString("rule", _refusal.Rule);
        writer.WriteStartArray("limits");
        foreach (var limit in _limits)
        {
            writer.WriteStartObject();
            writer.WriteString("rule", limit.Rule);
            writer.WriteString("rate", limit.Config.Rate.ToString());
            writer.WriteNumber("burst", limit.Gcra.Burst);
            writer.WriteString("per", limit.Config.Per == LimitScope.Ip ? "ip" : "client");
            writer.WriteNumber("cost", limit.Config.Cost);
            writer.WriteEndObject();
        }
        writer.WriteEndArray();
        writer.WriteEndObject();
    }
}
