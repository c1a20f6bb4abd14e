using System.Buffers.Binary;

namespace Malha.Delivery.Operations;

/// <summary>
/// Operations and answers as bytes. Version N reads N−1 and N+1: a newer one may add fields, which are kept and written back, and must not change the meaning of a
/// tag. What is two versions ahead is not read at all. Tags are never given to another meaning.
/// </summary>
internal static class OperationFormat
{
    public const byte Version = 1;

    private const int AttemptBytes = 13;

    private static class Tags
    {
        public const int Id = 1, Owner = 2, Class = 3, Service = 4, Lane = 5, Key = 6, Acks = 7, Method = 8, Target = 9, Header = 10, Credentials = 11, Trace = 12,
            Callback = 13, BodyBytes = 14, Deduplication = 15, State = 16, DeadCause = 17, AttemptCount = 18, Attempt = 19, Created = 20, Due = 21, Expires = 22,
            Finished = 23, Forget = 24, AnswerStatus = 25, Position = 26, Revision = 27, IsBehind = 28, Refusals = 29, Route = 30, RequestId = 31, ClientAddress = 32,
            CameOverTls = 33, HasLostCredentials = 34, Change = 35, LogOffset = 36, CallbackState = 37, CallbackDue = 38, CallbackAttempts = 39, CallbackStatus = 40, CallbackProblem = 41;
    }

    private static class AnswerTags
    {
        public const int Status = 1, Header = 2, Body = 3, IsTooLarge = 4;
    }

    public static void Write(Operation operation, FieldWriter to)
    {
        to.Begin(Version);
        Span<byte> id = stackalloc byte[OperationId.Length];
        operation.Id.Write(id);
        to.Bytes(Tags.Id, id);
        to.Text(Tags.Owner, operation.Owner);
        to.Text(Tags.Class, operation.Class);
        to.Text(Tags.Service, operation.Service);
        to.Text(Tags.Lane, operation.Lane);
        to.Text(Tags.Key, operation.Key);
        to.Number(Tags.Acks, (long)operation.Acks);
        to.Text(Tags.Method, operation.Method);
        to.Text(Tags.Target, operation.Target);
        foreach (var header in operation.Headers)
            to.Header(Tags.Header, header);
        to.Bytes(Tags.Credentials, operation.SealedCredentials.Span);
        to.Text(Tags.Trace, operation.TraceParent);
        to.Text(Tags.Callback, operation.Callback);
        to.Number(Tags.BodyBytes, operation.BodyBytes);
        to.Text(Tags.Route, operation.Route);
        to.Text(Tags.RequestId, operation.RequestId);
        to.Text(Tags.ClientAddress, operation.ClientAddress);
        to.Number(Tags.CameOverTls, operation.CameOverTls ? 1 : 0);
        to.Number(Tags.HasLostCredentials, operation.HasLostCredentials ? 1 : 0);
        if (operation.Deduplication is { } deduplication)
            to.Bytes(Tags.Deduplication, deduplication.Bytes);
        WriteProgress(operation, to);
        to.Raw(operation.Unknown.Span);
    }

    private static void WriteProgress(Operation operation, FieldWriter to)
    {
        to.Number(Tags.State, (long)operation.State);
        to.Number(Tags.DeadCause, (long)operation.DeadCause);
        to.Number(Tags.AttemptCount, operation.AttemptCount);
        foreach (var attempt in operation.Attempts)
            WriteAttempt(attempt, to);
        to.Number(Tags.Created, operation.Created.ToUnixTimeMilliseconds());
        to.Number(Tags.Due, operation.Due.ToUnixTimeMilliseconds());
        Time(Tags.Expires, operation.Expires, to);
        Time(Tags.Finished, operation.Finished, to);
        Time(Tags.Forget, operation.Forget, to);
        to.Number(Tags.AnswerStatus, operation.AnswerStatus);
        to.Number(Tags.Position, operation.Position);
        to.Number(Tags.Revision, operation.Revision);
        to.Number(Tags.IsBehind, operation.IsBehind ? 1 : 0);
        to.Number(Tags.Refusals, operation.Refusals);
        to.Number(Tags.Change, operation.Change);
        to.Number(Tags.LogOffset, operation.LogOffset);
        to.Number(Tags.CallbackState, (long)operation.CallbackState);
        Time(Tags.CallbackDue, operation.CallbackDue, to);
        to.Number(Tags.CallbackAttempts, operation.CallbackAttempts);
        to.Number(Tags.CallbackStatus, operation.CallbackStatus);
        to.Text(Tags.CallbackProblem, operation.CallbackProblem);
    }

    /// <summary>Null: these bytes are no operation that this version can read.</summary>
    public static Operation? Read(ReadOnlySpan<byte> record)
    {
        var fields = new FieldReader(record);
        if (fields.Malformed || fields.Version > Version + 1)
            return null;

        var operation = new Operation
        {
            Id = default, Owner = "", Service = "", Lane = "", Acks = default, Method = "", Target = "", State = default,
            Created = DateTimeOffset.UnixEpoch, Due = DateTimeOffset.UnixEpoch,
        };
        List<HeaderField>? headers = null;
        List<AttemptRecord>? attempts = null;
        List<byte>? unknown = null;
        while (fields.Next())
        {
            if (fields.Tag == Tags.Header)
                (headers ??= []).Add(fields.Header());
            else if (fields.Tag == Tags.Attempt)
                (attempts ??= []).Add(ReadAttempt(ref fields));
            else if (Request(operation, ref fields) is { } withRequest)
                operation = withRequest;
            else if (Progress(operation, ref fields) is { } withProgress)
                operation = withProgress;
            else if (Told(operation, ref fields) is { } withCallback)
                operation = withCallback;
            else
                (unknown ??= []).AddRange(fields.Field);
        }
        if (fields.Malformed || operation.State == default || operation.Acks == default)
            return null;
        return operation with { Headers = headers ?? [], Attempts = attempts ?? [], Unknown = unknown?.ToArray() ?? default(ReadOnlyMemory<byte>) };
    }

    public static void Write(Answer answer, FieldWriter to)
    {
        to.Begin(Version);
        to.Number(AnswerTags.Status, answer.Status);
        foreach (var header in answer.Headers)
            to.Header(AnswerTags.Header, header);
        to.Bytes(AnswerTags.Body, answer.Body.Span);
        to.Number(AnswerTags.IsTooLarge, answer.IsTooLarge ? 1 : 0);
    }

    /// <summary>Null: these bytes are no answer that this version can read.</summary>
    public static Answer? ReadAnswer(ReadOnlySpan<byte> record)
    {
        var fields = new FieldReader(record);
        if (fields.Malformed || fields.Version > Version + 1)
            return null;
        var (status, headers, body, isTooLarge) = (0, new List<HeaderField>(), ReadOnlyMemory<byte>.Empty, false);
        while (fields.Next())
        {
            switch (fields.Tag)
            {
                case AnswerTags.Status: status = (int)fields.Number(); break;
                case AnswerTags.Header: headers.Add(fields.Header()); break;
                case AnswerTags.Body: body = fields.Value.ToArray(); break;
                case AnswerTags.IsTooLarge: isTooLarge = fields.Number() != 0; break;
            }
        }
        return fields.Malformed ? null : new Answer(status, headers, body, isTooLarge);
    }

    private static Operation? Request(Operation operation, ref FieldReader fields) => fields.Tag switch
    {
        Tags.Id when fields.Value.Length == OperationId.Length => operation with { Id = OperationId.Read(fields.Value) },
        Tags.Owner => operation with { Owner = fields.Text() },
        Tags.Class => operation with { Class = fields.Text() },
        Tags.Service => operation with { Service = fields.Text() },
        Tags.Lane => operation with { Lane = fields.Text() },
        Tags.Key => operation with { Key = fields.Text() },
        Tags.Acks => operation with { Acks = (AckLevel)fields.Number() },
        Tags.Method => operation with { Method = fields.Text() },
        Tags.Target => operation with { Target = fields.Text() },
        Tags.Credentials => operation with { SealedCredentials = fields.Value.ToArray() },
        Tags.Trace => operation with { TraceParent = fields.Text() },
        Tags.Callback => operation with { Callback = fields.Text() },
        Tags.BodyBytes => operation with { BodyBytes = fields.Number() },
        Tags.Deduplication => operation with { Deduplication = Deduplication.Read(fields.Value) },
        Tags.Route => operation with { Route = fields.Text() },
        Tags.RequestId => operation with { RequestId = fields.Text() },
        Tags.ClientAddress => operation with { ClientAddress = fields.Text() },
        Tags.CameOverTls => operation with { CameOverTls = fields.Number() != 0 },
        Tags.HasLostCredentials => operation with { HasLostCredentials = fields.Number() != 0 },
        _ => null,
    };

    private static Operation? Progress(Operation operation, ref FieldReader fields) => fields.Tag switch
    {
        Tags.State => operation with { State = (OperationState)fields.Number() },
        Tags.DeadCause => operation with { DeadCause = (DeadCause)fields.Number() },
        Tags.AttemptCount => operation with { AttemptCount = (int)fields.Number() },
        Tags.Created => operation with { Created = ReadTime(fields.Number()) },
        Tags.Due => operation with { Due = ReadTime(fields.Number()) },
        Tags.Expires => operation with { Expires = ReadTime(fields.Number()) },
        Tags.Finished => operation with { Finished = ReadTime(fields.Number()) },
        Tags.Forget => operation with { Forget = ReadTime(fields.Number()) },
        Tags.AnswerStatus => operation with { AnswerStatus = (int)fields.Number() },
        Tags.Position => operation with { Position = fields.Number() },
        Tags.Revision => operation with { Revision = fields.Number() },
        Tags.IsBehind => operation with { IsBehind = fields.Number() != 0 },
        Tags.Refusals => operation with { Refusals = (int)fields.Number() },
        Tags.Change => operation with { Change = fields.Number() },
        Tags.LogOffset => operation with { LogOffset = fields.Number() },
        _ => null,
    };

    private static Operation? Told(Operation operation, ref FieldReader fields) => fields.Tag switch
    {
        Tags.CallbackState => operation with { CallbackState = (CallbackState)fields.Number() },
        Tags.CallbackDue => operation with { CallbackDue = ReadTime(fields.Number()) },
        Tags.CallbackAttempts => operation with { CallbackAttempts = (int)fields.Number() },
        Tags.CallbackStatus => operation with { CallbackStatus = (int)fields.Number() },
        Tags.CallbackProblem => operation with { CallbackProblem = fields.Text() },
        _ => null,
    };

    private static void WriteAttempt(AttemptRecord attempt, FieldWriter to)
    {
        Span<byte> bytes = stackalloc byte[AttemptBytes];
        BinaryPrimitives.WriteInt64LittleEndian(bytes, attempt.At.ToUnixTimeMilliseconds());
        bytes[8] = (byte)attempt.Result;
        BinaryPrimitives.WriteInt32LittleEndian(bytes[9..], attempt.Status);
        to.Bytes(Tags.Attempt, bytes);
    }

    // A newer version may append to it: what follows is passed over.
    private static AttemptRecord ReadAttempt(ref FieldReader fields) => fields.Value.Length < AttemptBytes
        ? default
        : new AttemptRecord(
            ReadTime(BinaryPrimitives.ReadInt64LittleEndian(fields.Value)), (AttemptResult)fields.Value[8], BinaryPrimitives.ReadInt32LittleEndian(fields.Value[9..]));

    // 0 means absent: a time at the very epoch is written as the millisecond after it.
    private static void Time(int tag, DateTimeOffset? time, FieldWriter to)
    {
        if (time is { } at)
            to.Number(tag, Math.Max(1, at.ToUnixTimeMilliseconds()));
    }

    private static DateTimeOffset ReadTime(long milliseconds) =>
        DateTimeOffset.FromUnixTimeMilliseconds(Math.Clamp(milliseconds, 0, DateTimeOffset.MaxValue.ToUnixTimeMilliseconds()));
}
