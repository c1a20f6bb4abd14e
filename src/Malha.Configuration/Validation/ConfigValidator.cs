using Malha.Configuration.Reading;

namespace Malha.Configuration.Validation;

/// <summary>
/// What no value says alone: references, contradictions, duplicates. It works on the records, wherever they come from, and adds every
/// fault to the list. An item in which something was found already is not compared with others: that would only repeat the fault.
/// </summary>
internal static class ConfigValidator
{
    public static void Check(MalhaConfig config, ErrorList errors, Suggestion suggestion)
    {
        ListenerRules.Check(config, errors);
        foreach (var service in config.Services.Values)
        {
            ServiceRules.Check(service, errors);
            HealthRules.Check(service, config, errors, suggestion);
        }
        ClientRules.Check(config, errors, suggestion);
        DeliveryRules.Check(config, errors);
        RouteRules.Check(config, errors, suggestion);
    }
}
