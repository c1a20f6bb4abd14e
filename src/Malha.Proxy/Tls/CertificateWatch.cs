using Malha.Proxy.Downstream;
using Malha.Proxy.Telemetry.Logging;

namespace Malha.Proxy.Tls;

/// <summary>Tells of the listeners' certificates: of each that comes into force, of each that will expire soon, and of each that has.</summary>
internal sealed class CertificateWatch : IDisposable
{
    /// <summary>certbot renews 30 days before the end, and Caddy when a third of the time is left: by then something has gone wrong for two weeks.</summary>
    public static readonly TimeSpan Soon = TimeSpan.FromDays(14);

    private static readonly TimeSpan Every = TimeSpan.FromHours(1);

    private readonly Lock _lock = new();
    private readonly TimeProvider _time;
    private readonly EventLog _events;
    private readonly ITimer _timer;
    private Dictionary<(string Listener, string Sha256), Stage> _told = [];
    private ClientListener[] _listeners = [];

    public CertificateWatch(TimeProvider time, EventLog events)
    {
        _time = time;
        _events = events;
        _timer = time.CreateTimer(_ => Look(), null, Every, Every);
    }

    private enum Stage : byte
    {
        Good,
        Early,
        Soon,
        Expired,
    }

    /// <summary>These listeners are in force now, with their certificates.</summary>
    public void Follow(IEnumerable<ClientListener> listeners)
    {
        lock (_lock)
            _listeners = [.. listeners];
        Look();
    }

    public void Dispose() => _timer.Dispose();

    private void Look()
    {
        lock (_lock)
        {
            var now = _time.GetUtcNow();
            var told = new Dictionary<(string, string), Stage>();
            foreach (var listener in _listeners)
            {
                foreach (var certificate in listener.Tls?.Certificates ?? [])
                {
                    var key = (listener.Config.Name, certificate.Sha256);
                    var stage = StageOf(certificate, now);
                    if (told.TryAdd(key, stage) && (!_told.TryGetValue(key, out var before) || before != stage))
                        Tell(listener, certificate, stage);
                }
            }
            _told = told;
        }
    }

    private void Tell(ClientListener listener, ServerCertificate certificate, Stage stage)
    {
        EventField[] fields =
        [
            ("listener", listener.Config.Name), ("certificate", certificate.Name), ("file", certificate.Config.Certificate!.Path),
            ("notBefore", certificate.NotBefore.ToString("u")), ("notAfter", certificate.NotAfter.ToString("u")),
        ];
        switch (stage)
        {
            case Stage.Good:
                _events.Info("certificate", fields);
                break;
            case Stage.Early:
                _events.Warning("certificate-not-yet-valid", fields);
                break;
            case Stage.Soon:
                _events.Warning("certificate-expires-soon", fields);
                break;
            default:
                _events.Warning("certificate-expired", fields);
                break;
        }
    }

    private static Stage StageOf(ServerCertificate certificate, DateTimeOffset now) =>
        now >= certificate.NotAfter ? Stage.Expired
        : now < certificate.NotBefore ? Stage.Early
        : now >= certificate.NotAfter - Soon ? Stage.Soon : Stage.Good;
}
