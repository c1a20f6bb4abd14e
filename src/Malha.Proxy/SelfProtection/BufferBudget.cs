using System.Numerics;

namespace Malha.Proxy.SelfProtection;

/// <summary>
/// Bytes of request bodies in memory. Up to half of the budget bodies are kept for another attempt; beyond it they stream through small buffers, for
/// which the other half remains.
/// </summary>
internal sealed class BufferBudget
{
    private long _used;
    private long _kept = BudgetUse.Unlimited;
    private long _streamed;

    /// <summary>Bytes in use.</summary>
    public long Used => Volatile.Read(ref _used);

    /// <summary>Bodies that were not kept because too many others were.</summary>
    public long Streamed => Volatile.Read(ref _streamed);

    /// <summary>All that may be used, in bytes.</summary>
    public void Update(long limit) => Volatile.Write(ref _kept, limit == BudgetUse.Unlimited ? limit : limit / 2);

    /// <summary>Takes a buffer's bytes. From any thread.</summary>
    /// <param name="wanted">What would hold the whole body, as far as bodies are kept at all.</param>
    /// <param name="least">What it needs at least to stream.</param>
    /// <param name="isOwed">Whether it must be kept, whatever the budget says.</param>
    /// <returns>The size of the buffer, which is to be given back.</returns>
    public int Take(int wanted, int least, bool isOwed)
    {
        var size = (int)BitOperations.RoundUpToPowerOf2((uint)wanted);
        var used = Interlocked.Add(ref _used, size);
        if (size <= least || isOwed || used <= Volatile.Read(ref _kept))
            return size;
        Interlocked.Add(ref _used, least - size);
        Interlocked.Increment(ref _streamed);
        return least;
    }

    public void Return(int size) => Interlocked.Add(ref _used, -size);
}
