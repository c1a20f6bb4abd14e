using System.Diagnostics.CodeAnalysis;

namespace Malha.Proxy.Transport;

/// <summary>
/// One thread's stack of reusable objects. What it has too many of goes to the depot that all threads share, and what it lacks comes from
/// there: an exchange often begins on one socket engine's thread and ends on another's, which would else pile up what the first must make anew.
/// </summary>
/// <remarks>No lock is taken but in the depot, once for each <see cref="Batch"/> objects that have changed threads.</remarks>
internal sealed class LocalStack<T>(Depot<T> depot)
    where T : class
{
    /// <summary>Exchanges that are in flight on one thread at any time, with room.</summary>
    private const int Most = 128;

    internal const int Batch = 64;

    private readonly T[] _items = new T[Most];
    private int _count;

    public bool TryPop([MaybeNullWhen(false)] out T item)
    {
        if (_count == 0)
            _count = depot.Take(_items.AsSpan(0, Batch));
        if (_count == 0)
        {
            item = null;
            return false;
        }
        item = _items[--_count];
        return true;
    }

    /// <summary>False when there are enough of them everywhere: the object is then left to the collector.</summary>
    public bool TryPush(T item)
    {
        if (_count == Most)
        {
            if (!depot.TryPut(_items.AsSpan(Most - Batch)))
                return false;
            _count -= Batch;
        }
        _items[_count++] = item;
        return true;
    }
}

/// <summary>Where threads leave what others may use.</summary>
internal sealed class Depot<T>
    where T : class
{
    /// <summary>As many exchanges as a large gateway has in flight; beyond it a burst is over.</summary>
    private const int Most = 16 * 1024;

    private readonly Lock _lock = new();
    private T[] _items = [];
    private volatile int _count;

    /// <summary>Fills the span as far as there is something; how much that was.</summary>
    public int Take(Span<T> taken)
    {
        if (_count == 0)
            return 0;
        lock (_lock)
        {
            var count = Math.Min(taken.Length, _count);
            var from = _items.AsSpan(_count - count, count);
            from.CopyTo(taken);
            from.Clear();
            _count -= count;
            return count;
        }
    }

    public bool TryPut(ReadOnlySpan<T> items)
    {
        lock (_lock)
        {
            if (_count + items.Length > Most)
                return false;
            if (_count + items.Length > _items.Length)
                Array.Resize(ref _items, Math.Max(_items.Length * 2, 4 * items.Length));
            items.CopyTo(_items.AsSpan(_count));
            _count += items.Length;
            return true;
        }
    }
}
