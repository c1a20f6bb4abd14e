using Malha.Delivery.Operations;

namespace Malha.Delivery.Kafka;

/// <summary>What is in Kafka under an operation's key or id.</summary>
/// <param name="Operation">As it stands. Its lane is the whole lane.</param>
/// <param name="Body">The request's body; null: not in this record.</param>
/// <param name="Answer">The server's answer, if there is one.</param>
internal sealed record KafkaRecord(Operation Operation, ReadOnlyMemory<byte>? Body, Answer? Answer);

/// <summary>
/// Records of Kafka as bytes, in the shape of all records: version N reads N−1 and N+1, and passes over what that added. Tags are never given to another meaning.
/// </summary>
internal static class KafkaRecords
{
    public const byte Version = 1;

    private static class Tags
    {
        public const int Operation = 1, Body = 2, HasBody = 3, Answer = 4;
    }

    public static byte[] Write(KafkaRecord record)
    {
        var (fields, inner) = (new FieldWriter(), new FieldWriter());
        fields.Begin(Version);
        OperationFormat.Write(record.Operation, inner);
        fields.Bytes(Tags.Operation, inner.Written);
        if (record.Body is { } body)
        {
            fields.Number(Tags.HasBody, 1);
            fields.Bytes(Tags.Body, body.Span);
        }
        if (record.Answer is { } answer)
        {
            OperationFormat.Write(answer, inner);
            fields.Bytes(Tags.Answer, inner.Written);
        }
        return fields.Written.ToArray();
    }

    /// <summary>Null: these bytes are no record that this version can read.</summary>
    public static KafkaRecord? Read(ReadOnlySpan<byte> bytes)
    {
        var fields = new FieldReader(bytes);
        if (fields.Malformed || fields.Version > Version + 1)
            return null;
        Operation? operation = null;
        Answer? answer = null;
        var (hasBody, body) = (false, ReadOnlyMemory<byte>.Empty);
        while (fields.Next())
        {
            switch (fields.Tag)
            {
                case Tags.Operation: operation = OperationFormat.Read(fields.Value); break;
                case Tags.Body: body = fields.Value.ToArray(); break;
                case Tags.HasBody: hasBody = true; break;
                case Tags.Answer: answer = OperationFormat.ReadAnswer(fields.Value); break;
            }
        }
        return fields.Malformed || operation is null ? null : new KafkaRecord(operation, hasBody ? body : null, answer);
    }
}
