using CsCheck;
using Malha.Delivery.Operations;

namespace Malha.Tests.Delivery;

/// <summary>Operations of every shape.</summary>
internal static class AnyOperation
{
    private static readonly Gen<string> Text = Gen.OneOf(Gen.Const(""), Gen.String[Gen.Char[' ', '\u2fff'], 0, 40]);
    private static readonly Gen<DateTimeOffset> Time = Gen.Long[0, 4_000_000_000_000].Select(DateTimeOffset.FromUnixTimeMilliseconds);
    private static readonly Gen<DateTimeOffset?> MaybeTime = Gen.OneOf(Gen.Const((DateTimeOffset?)null), Gen.Long[1, 4_000_000_000_000].Select(at => (DateTimeOffset?)DateTimeOffset.FromUnixTimeMilliseconds(at)));
    private static readonly Gen<IReadOnlyList<HeaderField>> Headers = Gen.Select(Text, Text).Select((name, value) => new HeaderField(name, value)).Array[0, 5].Select(all => (IReadOnlyList<HeaderField>)all);

    private static readonly Gen<IReadOnlyList<AttemptRecord>> Attempts =
        Gen.Select(Time, Gen.Enum<AttemptResult>(), Gen.Int[0, 999]).Select((at, result, status) => new AttemptRecord(at, result, status)).Array[0, 4].Select(all => (IReadOnlyList<AttemptRecord>)all);

    public static readonly Gen<Answer> Answer = Gen.Select(Gen.Int[0, 999], Headers, Gen.Byte.Array[0, 200]).Select((status, headers, body) => new Answer(status, headers, body, status % 2 == 1));

    public static readonly Gen<Operation> Any =
        from texts in Text.Array[11]
        from numbers in Gen.Long[0, long.MaxValue].Array[3]
        from headers in Headers
        from attempts in Attempts
        from times in Time.Array[2]
        from maybe in MaybeTime.Array[3]
        from credentials in Gen.Byte.Array[0, 50]
        from state in Gen.Enum<OperationState>()
        from acks in Gen.Enum<AckLevel>()
        from cause in Gen.Enum<DeadCause>()
        from counts in Gen.Int[0, int.MaxValue].Array[2]
        from id in Gen.Byte.Array[OperationId.Length]
        from deduplicated in Gen.Bool
        select new Operation
        {
            Id = OperationId.Read(id), Owner = texts[0], Class = texts[1], Service = texts[2], Lane = texts[3], Key = texts[4], Method = texts[5], Target = texts[6],
            TraceParent = texts[7], Callback = texts[8], Headers = headers, SealedCredentials = credentials, BodyBytes = numbers[0], Position = numbers[1], Revision = numbers[2],
            Acks = acks, State = state, DeadCause = cause, AttemptCount = counts[0], Attempts = attempts, AnswerStatus = counts[1], Created = times[0], Due = times[1],
            CallbackState = (CallbackState)(counts[0] % 5), CallbackDue = maybe[2], CallbackAttempts = counts[1] / 2, CallbackStatus = counts[1] % 600, CallbackProblem = texts[0],
            IsBehind = deduplicated, Refusals = counts[0] / 2, Route = texts[9], RequestId = texts[10], ClientAddress = texts[3], CameOverTls = !deduplicated, HasLostCredentials = deduplicated,
            Change = numbers[0] / 3, LogOffset = numbers[1] / 3, Expires = maybe[0], Finished = maybe[1], Forget = maybe[2],
            Deduplication = deduplicated ? Deduplication.Of(texts[9], texts[10], texts[5], texts[6], credentials) : null,
        };

    public static byte[] Bytes(Operation operation)
    {
        var fields = new FieldWriter();
        OperationFormat.Write(operation, fields);
        return fields.Written.ToArray();
    }
}
