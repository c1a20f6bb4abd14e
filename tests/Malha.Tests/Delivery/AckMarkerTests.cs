using Malha.Delivery.Log;

namespace Malha.Tests.Delivery;

public sealed class AckMarkerTests : IDisposable
{
    private const int Slot = 512;

    private readonly TemporaryLog _directory = new();

    private string Path => System.IO.Path.Combine(_directory.Config.Path, AckMarker.FileName);

    public void Dispose() => _directory.Dispose();

    [Fact]
    public void It_says_what_was_acknowledged_last()
    {
        using (var marker = AckMarker.Create(Path, 3, 2))
        {
            marker.AcknowledgeWritten(9);
            marker.AcknowledgeSynced(7);
            marker.AcknowledgeWritten(11);
        }
        Assert.Equal((11UL, 7UL), (AckMarker.Read(Path, out _)!.Written, AckMarker.Read(Path, out _)!.Synced));
    }

    [Fact]
    public void A_torn_slot_leaves_the_one_before_and_two_torn_ones_are_told()
    {
        using (var marker = AckMarker.Create(Path, 3, 3))
            marker.AcknowledgeSynced(8);
        var bytes = File.ReadAllBytes(Path);
        // Two slots for each number, in turn: the third write of the second number is in its second.
        Tear(bytes, 3);
        Assert.Equal(3UL, AckMarker.Read(Path, out var damaged)!.Synced);
        Assert.False(damaged);
        Tear(bytes, 2);
        Assert.Null(AckMarker.Read(Path, out damaged));
        Assert.True(damaged);
    }

    [Fact]
    public void What_was_only_written_is_required_while_the_machine_runs()
    {
        var boot = Guid.NewGuid().ToByteArray();
        var state = new AckMarkerState(10, 5, boot);
        Assert.Equal(10UL, state.Required(boot));
        Assert.Equal(5UL, state.Required(Guid.NewGuid().ToByteArray()));
        Assert.Equal(5UL, state.Required(new byte[16]));
    }

    private void Tear(byte[] bytes, int slot)
    {
        bytes[slot * Slot + 20] ^= 1;
        File.WriteAllBytes(Path, bytes);
    }
}
