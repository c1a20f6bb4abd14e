using System.Text;
using Malha.Configuration;
using Malha.Proxy.RateLimiting;

namespace Malha.Proxy.Identity;

/// <summary>A client, compiled.</summary>
internal sealed class ClientModel
{
    private readonly NetworkTable? _networks;

    /// <param name="config">The settings.</param>
    /// <param name="index">Its place in the file, from 0.</param>
    /// <param name="shareClass">The index of its class; 0 when there are no classes.</param>
    /// <param name="limits">What it may; null: anything.</param>
    /// <param name="state">What lives on.</param>
    public ClientModel(ClientConfig config, int index, int shareClass, LimitSet? limits, ClientState state)
    {
        Config = config;
        Index = index;
        ShareClass = shareClass;
        Limits = limits;
        State = state;
        NameBytes = Encoding.ASCII.GetBytes(config.Name);
        _networks = config.Addresses.Count > 0 ? new NetworkTable(config.Addresses) : null;
    }

    public ClientConfig Config { get; }

    public string Name => Config.Name;

    public byte[] NameBytes { get; }

    public int Index { get; }

    public int ShareClass { get; }

    public LimitSet? Limits { get; }

    public ClientState State { get; }

    /// <summary>Whether it is known by something, and not just anybody.</summary>
    public bool IsRecognised => !Config.Any;

    /// <summary>Whether it may call from there. An address that is only claimed lies nowhere.</summary>
    public bool MayCallFrom(Ip address, bool isCertain) => _networks is null || (isCertain && _networks.Contains(address));
}
