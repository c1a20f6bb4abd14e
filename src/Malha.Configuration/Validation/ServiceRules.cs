using Malha.Configuration.Reading;
using Malha.Configuration.Reading.Shapes;

namespace Malha.Configuration.Validation;

/// <summary>Contradictions within one service.</summary>
internal static class ServiceRules
{
    public static void Check(ServiceConfig service, ErrorList errors)
    {
        var seen = new HashSet<string>(StringComparer.Ordinal);
        foreach (var endpoint in service.Endpoints)
        {
            if (!endpoint.Source.IsBroken && !seen.Add(endpoint.IsStore ? endpoint.Url.ToString() : endpoint.Text))
                errors.Add(endpoint.Source, $"{endpoint.Text} is an endpoint already");
        }

        CheckTimeouts(service.Timeout, service.AttemptTimeout, service.Source, errors);
        if (service is { Balance: BalanceKind.ConsistentHash, HashOn: null, Source.IsBroken: false })
            errors.Add(service.Source.Of("balance"), "consistent-hash needs to know what requests have in common; add hashOn", allowed: AffinityShape.Shape.Allowed);
        else if (service.HashOn is not null && service.Balance != BalanceKind.ConsistentHash && !service.Source.IsBroken)
            errors.Add(service.Source.Of("hashOn"), "hashOn has no effect without balance: consistent-hash");
        if (service.Tls is not { } tls)
            return;
        if (!service.Source.IsBroken && service.Endpoints.All(endpoint => !endpoint.IsTls && endpoint.Url.Scheme != "postgres"))
            errors.Add(service.Source.Of("tls"), "no endpoint of the service is https, so that tls has no effect");
        if (!tls.Source.IsBroken)
            CheckTls(tls, errors);
    }

    public static void CheckTimeouts(TimeSpan timeout, TimeSpan? attemptTimeout, SourceSpan source, ErrorList errors)
    {
        if (attemptTimeout <= timeout || attemptTimeout is null || source.IsBroken)
            return;
        var place = source.Of(source.Says("attemptTimeout") ? "attemptTimeout" : "timeout");
        var durations = $"attemptTimeout ({Units.Format(attemptTimeout.Value)}) is longer than timeout ({Units.Format(timeout)})";
        errors.Add(place, durations + ", which ends all attempts");
    }

    private static void CheckTls(ServiceTlsConfig tls, ErrorList errors)
    {
        if (tls is { Verify: false, Ca: not null })
            errors.Add(tls.Source.Of("ca"), "with verify: false nothing is checked against ca; leave one of them out");
        if (tls is { Certificate: not null, Key: null })
            errors.Add(tls.Source.Of("certificate"), "a certificate needs its private key; add key");
        else if (tls is { Certificate: null, Key: not null })
            errors.Add(tls.Source.Of("key"), "a private key needs its certificate; add certificate");
        else if (tls is { Certificate: { } certificate, Key: { } key } && CertificateFiles.WhyNoPair(certificate, key) is { } problem)
            errors.Add(tls.Source.Of("key"), problem);
    }
}
