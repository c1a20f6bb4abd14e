using System.Globalization;

namespace Malha.Cli.Demo;

/// <summary>What the demo says. Every command line in it is meant to be copied into a shell in the repository's root.</summary>
internal static class DemoText
{
    public static string WhatRunsWhere(DemoSite site)
    {
        var payments = DemoSite.At(site.ServicePorts["payments"]);
        var configuration = Path.GetRelativePath(site.Root, site.Configuration);
        var log = Path.GetRelativePath(site.Root, site.Log("gateway"));
        var services = string.Join(", ", site.ServicePorts.Select(s => string.Create(CultureInfo.InvariantCulture, $"{s.Key} {s.Value}")));
        return $$"""

            The shop is open. Ctrl-C closes it.

              shop page      {{site.Gateway}}/
              admin API      {{site.Admin}}/api/v1/services, {{site.Admin}}/metrics
              configuration  {{configuration}} (a copy: change it, and the gateway takes the change)
              logs           {{Path.GetRelativePath(site.Root, site.Log("*"))}}
              services       on 127.0.0.1: {{services}}
              load           five requests a second, every fifth an order

            Four things to try in another terminal:

            1. Payments become slow. An order is given up after the two seconds that payments may take, the answer says why,
               and the shelf is as quick as before:
                 curl -X POST '{{payments}}/switch/slow?ms=5000'
                 curl -i {{site.Gateway}}/orders -H 'Content-Type: application/json' -d '{"sku":"bag"}'
                 curl {{site.Gateway}}/items
                 curl -X POST {{payments}}/switch/ok

            2. Ask what a request would meet, without sending it:
                 ./malha explain POST {{site.Gateway}}/pay --file {{configuration}}

            3. Break the configuration. The gateway refuses it, says where, and goes on with the last good one:
                 sed -i.good 's/timeout: 2s/timeout: 2 parsecs/' {{configuration}}
                 ./malha check {{configuration}}
                 grep reload {{log}}
                 curl -i {{site.Gateway}}/items
                 mv {{configuration}}.good {{configuration}}

            4. Payments go down, and a payment is accepted all the same: 202, and an operation that is done when they are back.
                 kill $(pgrep -f 'shop payments --port {{site.ServicePorts["payments"]}}')
                 curl -i {{site.Gateway}}/pay -H 'Prefer: respond-async' -H 'Content-Type: application/json' -d '{"orderId":"o-4","amountCents":1200}'
                 ./malha ops list --admin {{site.Admin}}
                 SHOP_GATEWAY={{site.Gateway}} {{Path.GetRelativePath(site.Root, site.ShopProgram)}} payments --port {{site.ServicePorts["payments"]}} &
                 ./malha ops list --admin {{site.Admin}}
                 curl {{site.Gateway}}/payments


            """.ReplaceLineEndings(Environment.NewLine);
    }

    public static string ServiceEnded(DemoSite site, DemoProcess service) => string.Create(CultureInfo.InvariantCulture, $"""
        {service.Name} has ended with code {service.ExitCode}. To start it again:
          SHOP_GATEWAY={site.Gateway} {Path.GetRelativePath(site.Root, site.ShopProgram)} {service.Name} --port {site.ServicePorts[service.Name]}

        """);
}
