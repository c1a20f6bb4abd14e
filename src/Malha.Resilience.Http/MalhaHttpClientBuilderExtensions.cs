using System.Security.Cryptography;
using Malha.Resilience;
using Malha.Resilience.Http;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Options;

namespace Microsoft.Extensions.DependencyInjection;

/// <summary>Malha's policies for clients of <see cref="IHttpClientFactory"/>.</summary>
public static class MalhaHttpClientBuilderExtensions
{
    /// <summary>
    /// Sends this client's requests through a deadline, retries with a budget and a concurrency limit that finds itself, and, where they are asked for, hedging,
    /// a circuit breaker and a client-side throttle; each for every host and port by itself. What is refused here throws <see cref="HttpRequestException"/> with a
    /// <see cref="ResilienceRefusedException"/> inside, a timeout <see cref="TaskCanceledException"/> with a <see cref="TimeoutException"/> inside. Wrong
    /// settings throw <see cref="OptionsValidationException"/> when the first client is made.
    /// </summary>
    /// <param name="builder">The client.</param>
    /// <param name="configure">Changes the defaults.</param>
    public static IHttpClientBuilder AddMalhaResilience(this IHttpClientBuilder builder, Action<HttpResilienceOptions>? configure = null)
    {
        ArgumentNullException.ThrowIfNull(builder);
        var name = builder.Name;
        var options = builder.Services.AddOptions<HttpResilienceOptions>(name);
        if (configure is not null)
            options.Configure(configure);
        // A second call for the same client only changes its settings.
        if (builder.Services.Any(service => service.ServiceType == typeof(HttpPipelines) && Equals(service.ServiceKey, name)))
            return builder;
        builder.Services.TryAddEnumerable(ServiceDescriptor.Singleton<IValidateOptions<HttpResilienceOptions>, HttpResilienceOptionsValidator>());
        builder.Services.AddKeyedSingleton(name, (services, _) => new HttpPipelines(
            name,
            services.GetRequiredService<IOptionsMonitor<HttpResilienceOptions>>(),
            services.GetService<TimeProvider>() ?? TimeProvider.System,
            services.GetService<Chance>() ?? new Chance(BitConverter.ToUInt64(RandomNumberGenerator.GetBytes(8)))));
        return builder.AddHttpMessageHandler(services => new HttpResilienceHandler(services.GetRequiredKeyedService<HttpPipelines>(name)));
    }

    /// <summary>All errors of all settings at once.</summary>
    private sealed class HttpResilienceOptionsValidator : IValidateOptions<HttpResilienceOptions>
    {
        public ValidateOptionsResult Validate(string? name, HttpResilienceOptions options)
        {
            var errors = options.Validate();
            return errors.Count == 0
                ? ValidateOptionsResult.Success
                : ValidateOptionsResult.Fail(errors.Select(error => $"AddMalhaResilience of client \"{name}\": {error.Option} {error.Problem}"));
        }
    }
}
