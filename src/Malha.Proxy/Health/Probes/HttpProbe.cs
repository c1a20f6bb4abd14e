using System.Net;
using System.Text;
using Malha.Configuration;

namespace Malha.Proxy.Health.Probes;

/// <summary>Requests over HTTP/1.1, one after the other on one connection; each answer is judged before the next is asked for.</summary>
internal sealed class HttpProbe(EndpointConfig endpoint, ProbeDialer dialer, IReadOnlyList<HealthStepConfig> steps, TimeProvider time) : Probe
{
    /// <summary>What is read of an answer's body, in bytes.</summary>
    public const int MaxBody = 64 * 1024;

    private readonly AnswerCheck[] _checks = [.. steps.Select(step => new AnswerCheck(step.Expect))];
    private int _current;

    public override string What => $"{steps[_current].Method} {steps[_current].Path}";

    public override async ValueTask<ProbeReport> RunAsync(CancellationToken cancellation)
    {
        using var client = new HttpMessageInvoker(dialer.Handler());
        var troubled = new List<string>();
        for (_current = 0; _current < steps.Count; _current++)
        {
            var report = await AskAsync(client, steps[_current], _checks[_current], cancellation);
            if (!report.IsGood)
                return report;
            troubled.AddRange(report.Dependencies!);
        }

        _current = 0;
        return troubled.Count == 0 ? ProbeReport.Good : ProbeReport.Degraded([.. troubled.Distinct()]);
    }

    private async ValueTask<ProbeReport> AskAsync(HttpMessageInvoker client, HealthStepConfig step, AnswerCheck check, CancellationToken cancellation)
    {
        var started = time.GetTimestamp();
        using var request = Request(step);
        try
        {
            using var response = await client.SendAsync(request, cancellation);
            var body = await ReadAsync(response, cancellation);
            return check.Judge(What, response, body, time.GetElapsedTime(started));
        }
        catch (HttpRequestException exception) when (exception.HttpRequestError is HttpRequestError.ConnectionError or HttpRequestError.NameResolutionError or HttpRequestError.SecureConnectionError)
        {
            return ProbeReport.Unreachable($"{What}: {ProbeDialer.Describe(exception)}");
        }
        catch (Exception exception) when (exception is HttpRequestException or IOException)
        {
            cancellation.ThrowIfCancellationRequested();
            return ProbeReport.Unreachable($"{What}: {ProbeDialer.Describe(exception)}");
        }
    }

    private HttpRequestMessage Request(HealthStepConfig step)
    {
        var request = new HttpRequestMessage(new HttpMethod(step.Method), new Uri(endpoint.Url, step.Path))
        {
            Version = HttpVersion.Version11,
            VersionPolicy = HttpVersionPolicy.RequestVersionExact,
        };
        if (endpoint.FoundUnder is not null)
            request.Headers.Host = endpoint.Authority;
        if (step.Body.Length > 0)
            request.Content = new ByteArrayContent(Encoding.UTF8.GetBytes(step.Body));
        request.Headers.TryAddWithoutValidation("User-Agent", "malha-health");
        foreach (var field in step.Headers)
        {
            if (field.Name.Equals("User-Agent", StringComparison.OrdinalIgnoreCase))
                request.Headers.Remove("User-Agent");
            if (!request.Headers.TryAddWithoutValidation(field.Name, field.Value))
                (request.Content ??= new ByteArrayContent([])).Headers.TryAddWithoutValidation(field.Name, field.Value);
        }
        return request;
    }

    // One byte more than may be looked at tells that there is more.
    private static async ValueTask<ReadOnlyMemory<byte>> ReadAsync(HttpResponseMessage response, CancellationToken cancellation)
    {
        await using var stream = await response.Content.ReadAsStreamAsync(cancellation);
        var buffer = new byte[4096];
        var length = 0;
        while (length <= MaxBody)
        {
            if (length == buffer.Length)
                Array.Resize(ref buffer, Math.Min(buffer.Length * 4, MaxBody + 1));
            var read = await stream.ReadAsync(buffer.AsMemory(length), cancellation);
            if (read == 0)
                break;
            length += read;
        }
        return buffer.AsMemory(0, length);
    }
}
