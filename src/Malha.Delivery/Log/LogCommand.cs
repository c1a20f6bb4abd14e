using Malha.Delivery.Operations;

namespace Malha.Delivery.Log;

/// <summary>One write. Sealed inside the log: callers use the methods of <see cref="EmbeddedLog"/>.</summary>
internal abstract record LogCommand(OperationId Id)
{
    // What a record takes besides what varies; an estimate for the queue's bound.
    protected const int RecordBytes = 512;

    public abstract long Bytes { get; }

    internal sealed record Accept(Operation Operation, ReadOnlyMemory<byte> Body) : LogCommand(Operation.Id)
    {
        public override long Bytes => RecordBytes + Body.Length + Operation.SealedCredentials.Length;
    }

    internal sealed record Update(Operation Operation, Answer? Answer) : LogCommand(Operation.Id)
    {
        public override long Bytes => RecordBytes + (Answer?.Body.Length ?? 0);
    }

    /// <summary>Of whoever uses the log: it means nothing here.</summary>
    internal sealed record Note(byte[] Text) : LogCommand(default(OperationId))
    {
        public override long Bytes => RecordBytes + Text.Length;
    }

    /// <summary>The end of retention: nothing of it stays.</summary>
    internal sealed record Forget(OperationId Id, long Revision) : LogCommand(Id)
    {
        public override long Bytes => RecordBytes;
    }
}
