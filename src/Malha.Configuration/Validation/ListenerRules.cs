using Malha.Configuration.Reading;

namespace Malha.Configuration.Validation;

/// <summary>No two listeners, the admin API's included, want the same address.</summary>
internal static class ListenerRules
{
    public static void Check(MalhaConfig config, ErrorList errors)
    {
        var taken = new Dictionary<int, List<(ListenAddress Address, SourceSpan Place)>>();
        foreach (var listener in config.Listeners.Values)
            Take(listener.Address, listener.Source, taken, errors);
        if (config.Admin is { } admin)
            Take(admin.Address, admin.Source, taken, errors);
    }

    private static void Take(
        ListenAddress address, SourceSpan source, Dictionary<int, List<(ListenAddress Address, SourceSpan Place)>> taken, ErrorList errors)
    {
        // Port 0 is any free port, as often as one likes.
        if (address.Port == 0 || source.IsBroken)
            return;
        if (!taken.TryGetValue(address.Port, out var others))
            taken[address.Port] = others = [];

        var place = source.Of("address");
        var other = others.Find(other => Overlap(other.Address, address));
        if (other.Address is null)
            others.Add((address, place));
        else
            errors.Add(place, $"{address} is taken by {other.Place.Path} ({other.Place})");
    }

    private static bool Overlap(ListenAddress a, ListenAddress b) =>
        a.Host == b.Host || IsAny(a) || IsAny(b) || (a.Host == "localhost" && b.IsLoopback) || (b.Host == "localhost" && a.IsLoopback);

    private static bool IsAny(ListenAddress address) => address.Host is "*" or "0.0.0.0" or "::";
}
