using System.Collections.Concurrent;
using Microsoft.Extensions.Options;

namespace Malha.Resilience.Http;

/// <summary>
/// The pipelines of one named client: one for each host and port, since that is what breaks and what is overrun. They outlive the handlers, which the
/// factory replaces every few minutes.
/// </summary>
internal sealed class HttpPipelines : IDisposable
{
    /// <summary>A client that calls more hosts than this (a crawler) shares one pipeline for the rest.</summary>
    private const int HostsAtMost = 1_000;

    private readonly ConcurrentDictionary<string, ResiliencePipeline> _byAuthority = new(StringComparer.OrdinalIgnoreCase);
    private readonly TimeProvider _time;
    private readonly Chance _chance;
    private readonly Lazy<ResiliencePipeline> _others;
    private readonly IDisposable? _watch;
    private HttpResilienceOptions _options;

    public HttpPipelines(string name, IOptionsMonitor<HttpResilienceOptions> options, TimeProvider time, Chance chance)
    {
        _time = time;
        _chance = chance;
        _options = options.Get(name);
        _others = new Lazy<ResiliencePipeline>(Make);
        Clock = new Clock(time);
        Call = new HttpAttempt(time);
        _watch = options.OnChange((changed, changedName) =>
        {
            if ((changedName ?? Microsoft.Extensions.Options.Options.DefaultName) == name)
                Update(changed);
        });
    }

    public HttpResilienceOptions Options => Volatile.Read(ref _options);

    public Clock Clock { get; }

    public HttpAttempt Call { get; }

    public ResiliencePipeline For(Uri address)
    {
        var authority = address.Authority;
        if (_byAuthority.TryGetValue(authority, out var pipeline))
            return pipeline;
        return _byAuthority.Count < HostsAtMost ? _byAuthority.GetOrAdd(authority, _ => Make()) : _others.Value;
    }

    public void Dispose() => _watch?.Dispose();

    private ResiliencePipeline Make() => new(Options.ToPipeline(), _time, _chance.Fork());

    private void Update(HttpResilienceOptions options)
    {
        Volatile.Write(ref _options, options);
        foreach (var pipeline in _byAuthority.Values)
            pipeline.Update(options.ToPipeline());
        if (_others.IsValueCreated)
            _others.Value.Update(options.ToPipeline());
    }
}
