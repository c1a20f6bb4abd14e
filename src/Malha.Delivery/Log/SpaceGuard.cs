using Microsoft.Win32.SafeHandles;

namespace Malha.Delivery.Log;

/// <summary>
/// Watches the space left on the log's disk, so that writes are refused before it is full and not by its being full, and keeps a file of some size to give up when the log
/// must be opened again on a disk that others have filled. No timer: it measures when the writer works, and when a caller knocks while it says no.
/// </summary>
internal sealed class SpaceGuard : IDisposable
{
    public const string FileName = "reserve";

    // Others fill disks too, so that our own bytes do not tell; a measurement is one system call.
    private static readonly TimeSpan Fresh = TimeSpan.FromMilliseconds(50);

    private readonly Func<long> _free;
    private readonly TimeProvider _time;
    private readonly string _reservePath;
    private readonly long _minimum;
    private readonly long _reserve;
    private SafeFileHandle? _reserved;
    private long _measuredAt;
    private volatile bool _nearlyFull;

    public SpaceGuard(EmbeddedLogConfig config, string directory, TimeProvider time, Func<long>? free = null)
    {
        _time = time;
        _free = free ?? (() => new DriveInfo(directory).AvailableFreeSpace);
        _reservePath = Path.Combine(directory, FileName);
        (_minimum, _reserve) = (config.MinimumFreeBytes, config.ReserveBytes);
        Measure();
    }

    /// <summary>As last measured.</summary>
    public bool IsNearlyFull => _nearlyFull;

    /// <summary>Measures when the last time was a while ago.</summary>
    public bool Look()
    {
        if (_time.GetElapsedTime(Volatile.Read(ref _measuredAt)) >= Fresh)
            Measure();
        return _nearlyFull;
    }

    /// <summary>Takes the reserve, when there is room for it.</summary>
    public void Reserve()
    {
        if (_reserved is not null || _reserve == 0)
            return;
        try
        {
            if (_free() < _minimum + _reserve && !File.Exists(_reservePath))
                return;
            _reserved = File.OpenHandle(_reservePath, FileMode.Create, FileAccess.Write, FileShare.None, FileOptions.None, preallocationSize: _reserve);
        }
        catch (IOException)
        {
            // No room for it after all: there is none to give up, then.
        }
    }

    /// <summary>Gives the reserve up; false when there was none.</summary>
    public bool Release()
    {
        _reserved?.Dispose();
        _reserved = null;
        if (!File.Exists(_reservePath))
            return false;
        File.Delete(_reservePath);
        return true;
    }

    public void Dispose() => _reserved?.Dispose();

    private void Measure()
    {
        try
        {
            _nearlyFull = _free() < _minimum;
        }
        catch (IOException)
        {
            // A disk that does not say how much is left is not one to write to.
            _nearlyFull = true;
        }
        Volatile.Write(ref _measuredAt, _time.GetTimestamp());
    }
}
