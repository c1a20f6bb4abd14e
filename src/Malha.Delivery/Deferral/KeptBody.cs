using System.Buffers;
using Malha.Proxy.Deferral;
using Microsoft.Win32.SafeHandles;

namespace Malha.Delivery.Deferral;

/// <summary>
/// The body of a request that may yet be accepted, as it comes: in memory to 64 KiB, then in a file that has no name any more when it is used, to the largest that is kept. A larger
/// one is let go at once: it goes its way without being kept.
/// </summary>
internal sealed class KeptBody(string folder, long limit) : IBodyKeeper, IDisposable
{
    /// <summary>As much of a body as is kept for a replay.</summary>
    public const int InMemory = 64 * 1024;

    private byte[] _memory = [];
    private int _length;
    private SafeFileHandle? _file;
    private long _spilled;

    /// <summary>Bytes that came.</summary>
    public long Length { get; private set; }

    public bool IsTooLarge => Length > limit;

    /// <summary>Whether the disk would not take it.</summary>
    public bool IsLost { get; private set; }

    public bool IsFull => _length > InMemory;

    public void Add(ReadOnlySpan<byte> bytes)
    {
        Length += bytes.Length;
        if (IsTooLarge || IsLost)
        {
            Dispose();
            return;
        }
        if (_memory.Length - _length < bytes.Length)
        {
            var larger = ArrayPool<byte>.Shared.Rent(Math.Max(_length + bytes.Length, Math.Min(2 * _memory.Length, 2 * InMemory)));
            _memory.AsSpan(0, _length).CopyTo(larger);
            if (_memory.Length > 0)
                ArrayPool<byte>.Shared.Return(_memory);
            _memory = larger;
        }
        bytes.CopyTo(_memory.AsSpan(_length));
        _length += bytes.Length;
    }

    public async ValueTask SpillAsync()
    {
        try
        {
            _file ??= await Task.Run(Create);
            await RandomAccess.WriteAsync(_file, _memory.AsMemory(0, _length), _spilled);
            _spilled += _length;
            _length = 0;
        }
        catch (Exception refused) when (refused is IOException or UnauthorizedAccessException)
        {
            IsLost = true;
            Dispose();
        }
    }

    /// <summary>All of it, once it has come. Null: the disk does not give it back.</summary>
    public async ValueTask<byte[]?> ReadAsync()
    {
        if (Length == 0)
            return [];
        var body = new byte[Length];
        try
        {
            for (var read = 0; _file is not null && read < _spilled;)
            {
                var count = await RandomAccess.ReadAsync(_file, body.AsMemory(read, (int)_spilled - read), read);
                if (count == 0)
                    return null;
                read += count;
            }
        }
        catch (IOException)
        {
            return null;
        }
        _memory.AsSpan(0, _length).CopyTo(body.AsSpan((int)_spilled));
        return body;
    }

    public void Dispose()
    {
        if (_memory.Length > 0)
            ArrayPool<byte>.Shared.Return(_memory);
        _memory = [];
        _length = 0;
        _file?.Dispose();
        _file = null;
    }

    private SafeFileHandle Create()
    {
        Directory.CreateDirectory(folder);
        var path = Path.Combine(folder, Path.GetRandomFileName());
        var file = File.OpenHandle(path, FileMode.CreateNew, FileAccess.ReadWrite, FileShare.None);
        // Gone with the handle, or with the process.
        File.Delete(path);
        return file;
    }
}
