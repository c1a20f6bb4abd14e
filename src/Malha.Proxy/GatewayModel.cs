using Malha.Configuration;
using Malha.Proxy.Upstream;

namespace Malha.Proxy;

/// <summary>The configuration in force, compiled: read once per request, swapped whole.</summary>
internal sealed record GatewayModel(MalhaConfig Config, long Version, ServiceState[] Services);
