using System.Globalization;
using System.Net.Sockets;
using System.Text;

namespace Malha.Cli;

/// <summary>
/// Tells whoever started the program, systemd as a rule, how it is: sd_notify's datagrams (sd_notify(3)). Nothing is made when nobody asks for them, and one that
/// cannot be sent changes nothing.
/// </summary>
internal sealed class ServiceManager : IDisposable
{
    private readonly Socket _socket;
    private readonly UnixDomainSocketEndPoint _address;
    private readonly TimeProvider _time;
    private readonly TimeSpan? _watchdog;
    private ITimer? _timer;

    private ServiceManager(string address, TimeSpan? watchdog, TimeProvider time)
    {
        // An abstract address begins with a zero byte, for which @ stands.
        _address = new UnixDomainSocketEndPoint(address[0] == '@' ? "\0" + address[1..] : address);
        _socket = new Socket(AddressFamily.Unix, SocketType.Dgram, ProtocolType.Unspecified);
        _watchdog = watchdog;
        _time = time;
    }

    /// <summary>Null when nobody wants to be told.</summary>
    /// <param name="environment">Looks environment variables up.</param>
    /// <param name="time">For the watchdog.</param>
    public static ServiceManager? Find(Func<string, string?> environment, TimeProvider time)
    {
        if (environment("NOTIFY_SOCKET") is not { Length: > 1 } address || address[0] is not ('/' or '@') || !Socket.OSSupportsUnixDomainSockets)
            return null;
        // Meant for this process, and not for one of whom it has inherited the variables.
        var isMine = environment("WATCHDOG_PID") is not { } process || process == Environment.ProcessId.ToString(CultureInfo.InvariantCulture);
        var watchdog = isMine && long.TryParse(environment("WATCHDOG_USEC"), NumberStyles.None, CultureInfo.InvariantCulture, out var microseconds) && microseconds > 0
            ? TimeSpan.FromMicroseconds(microseconds) : (TimeSpan?)null;
        return new ServiceManager(address, watchdog, time);
    }

    /// <summary>It listens, or has ended a reload, good or bad.</summary>
    public void Ready() => Tell("READY=1");

    /// <summary>It reads its file again.</summary>
    public void Reloading() =>
        Tell(string.Create(CultureInfo.InvariantCulture, $"RELOADING=1\nMONOTONIC_USEC={(long)_time.GetElapsedTime(0).TotalMicroseconds}"));

    /// <summary>It takes nothing new and ends what is under way.</summary>
    public void Stopping() => Tell("STOPPING=1");

    /// <summary>Says again and again that the program lives, as long as it does; who does not hear it in time starts it anew.</summary>
    public void Watch(Func<bool> lives)
    {
        if (_watchdog is not { } limit)
            return;
        // Half the time, as sd_watchdog_enabled(3) advises.
        _timer = _time.CreateTimer(_ =>
        {
            if (lives())
                Tell("WATCHDOG=1");
        }, null, TimeSpan.Zero, limit / 2);
    }

    public void Dispose()
    {
        _timer?.Dispose();
        _socket.Dispose();
    }

    private void Tell(string state)
    {
        try
        {
            _socket.SendTo(Encoding.ASCII.GetBytes(state), _address);
        }
        catch (Exception exception) when (exception is SocketException or ObjectDisposedException)
        {
            // Nobody there to tell.
        }
    }
}
