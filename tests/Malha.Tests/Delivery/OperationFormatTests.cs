using CsCheck;
using Malha.Delivery.Operations;

namespace Malha.Tests.Delivery;

public sealed class OperationFormatTests
{
    private const int NewTag = 900;

    [Fact]
    public void What_is_written_is_read() => AnyOperation.Any.Sample(operation =>
    {
        var read = OperationFormat.Read(AnyOperation.Bytes(operation))!;
        Assert.Equal(operation.Headers, read.Headers);
        Assert.Equal(operation.Attempts, read.Attempts);
        Assert.True(operation.SealedCredentials.Span.SequenceEqual(read.SealedCredentials.Span));
        // What has no equality of its own was compared; the rest compares itself.
        Assert.Equal(operation, read with { Headers = operation.Headers, Attempts = operation.Attempts, SealedCredentials = operation.SealedCredentials });
    });

    [Fact]
    public void An_answer_that_is_written_is_read() => AnyOperation.Answer.Sample(answer =>
    {
        var fields = new FieldWriter();
        OperationFormat.Write(answer, fields);
        var read = OperationFormat.ReadAnswer(fields.Written)!;
        Assert.Equal(answer.Status, read.Status);
        Assert.Equal(answer.Headers, read.Headers);
        Assert.True(answer.Body.Span.SequenceEqual(read.Body.Span));
    });

    [Fact]
    public void What_the_next_version_added_is_passed_over_and_written_back() => AnyOperation.Any.Sample(operation =>
    {
        var fields = new FieldWriter();
        OperationFormat.Write(operation, fields);
        fields.Text(NewTag, "from the future");
        fields.Number(NewTag + 1, 42);
        var newer = fields.Written.ToArray();
        newer[0] = OperationFormat.Version + 1;

        var read = OperationFormat.Read(newer)!;
        Assert.Equal(operation.Target, read.Target);
        Assert.Equal(newer[1..], AnyOperation.Bytes(read)[1..]);
    });

    [Fact]
    public void Two_versions_ahead_is_not_read() => AnyOperation.Any.Sample(operation =>
    {
        var bytes = AnyOperation.Bytes(operation);
        bytes[0] = OperationFormat.Version + 2;
        Assert.Null(OperationFormat.Read(bytes));
    });

    [Fact]
    public void Bytes_of_any_kind_are_a_value_and_never_an_exception() => Gen.Select(AnyOperation.Any, Gen.Int[0, int.MaxValue], Gen.Byte, Gen.Byte.Array[0, 60]).Sample((operation, at, value, noise) =>
    {
        var bytes = AnyOperation.Bytes(operation);
        bytes[at % bytes.Length] ^= value;
        _ = OperationFormat.Read(bytes);
        _ = OperationFormat.Read(bytes.AsSpan(0, at % bytes.Length));
        _ = OperationFormat.Read(noise);
        _ = OperationFormat.ReadAnswer(noise);
    });

    [Fact]
    public void Numbers_on_disk_keep_their_meaning()
    {
        Assert.Equal("Waiting=1 Succeeded=2 Dead=3 Cancelled=4", Numbers<OperationState>());
        Assert.Equal("None=1 Leader=2 All=3", Numbers<AckLevel>());
        Assert.Equal("Answered=1 ConnectionFailed=2 TimedOut=3 Reset=4 Refused=5", Numbers<AttemptResult>());
        Assert.Equal("None=0 Expired=1 Poison=2 CredentialExpired=3 Dropped=4 Undeliverable=5", Numbers<DeadCause>());
        Assert.Equal("None=0 Pending=1 Delivered=2 Gone=3 GivenUp=4", Numbers<CallbackState>());
        Assert.Equal("Attempt=1 Expiry=2 Forget=3 Callback=4", Numbers<Malha.Delivery.Log.DueKind>());
    }

    [Fact]
    public void An_id_is_read_from_its_own_text_alone()
    {
        var id = OperationId.New(DateTimeOffset.UnixEpoch.AddDays(20_000), System.Security.Cryptography.RandomNumberGenerator.Create());
        Assert.True(OperationId.TryParse(id.ToString(), out var read));
        Assert.Equal(id, read);
        foreach (var bad in new[] { "", id.ToString()[1..], id + "0", " " + id.ToString()[1..], "+" + id.ToString()[1..], "xyz" })
            Assert.False(OperationId.TryParse(bad, out _), bad);
    }

    private static string Numbers<T>()
        where T : struct, Enum => string.Join(' ', Enum.GetValues<T>().Select(value => $"{value}={Convert.ToInt32(value, System.Globalization.CultureInfo.InvariantCulture)}"));
}
