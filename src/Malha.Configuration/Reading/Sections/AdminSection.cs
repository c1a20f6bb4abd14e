using Malha.Configuration.Reading.Shapes;
using Forms = Malha.Configuration.Reading.Shapes.Shapes;

namespace Malha.Configuration.Reading.Sections;

internal static class AdminSection
{
    public static Section<AdminConfig> Section { get; } =
        new Section<AdminConfig>("the admin API: address, token, allowedHosts", _ => new AdminConfig())
        .Optional("address", Forms.Address, Defaults.AdminAddress, a => a.Address, (a, v) => a with { Address = v },
            "Where it listens. On loopback reading is free; elsewhere everything needs the token.")
        .Optional("token", new SecretShape(), "the token that is made at start", a => a.Token, (a, v) => a with { Token = v },
            "What a caller that changes something presents.")
        .Optional("allowedHosts", new ListShape<string>(Forms.Host, isSet: true), "the loopback names only",
            a => a.AllowedHosts, (a, v) => a with { AllowedHosts = v },
            "Hosts that it answers to beside the loopback names (a guard against DNS rebinding).");
}
