using Malha.Proxy.Timing;
using Microsoft.Extensions.Time.Testing;

namespace Malha.Tests.Timing;

public sealed class TimerExpiryTests : IDisposable
{
    private readonly FakeTimeProvider _time = new();
    private readonly TimerWheel _wheel;

    public TimerExpiryTests() => _wheel = new TimerWheel(_time);

    public void Dispose() => _wheel.Dispose();

    [Fact]
    public void Expiry_that_holds_is_taken_once()
    {
        var entry = new Entry();
        entry.Arm(_wheel, 50);
        _time.Advance(TimeSpan.FromMilliseconds(100));
        Assert.Equal(1, entry.Taken);
        entry.OnDeadline();
        Assert.Equal(1, entry.Taken);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Expiry_is_void_when_the_deadline_was_taken_back_or_moved_before_its_owner_was_told(bool moved)
    {
        // Both expire in one tick; whoever is told first changes the other's deadline, as another thread may do at this moment.
        Entry[] entries = [new Entry(), new Entry()];
        for (var number = 0; number < 2; number++)
        {
            var other = entries[1 - number];
            entries[number].Told = () =>
            {
                if (moved)
                    other.Arm(_wheel, 500);
                else
                    other.Disarm();
            };
            entries[number].Arm(_wheel, 50);
        }
        _time.Advance(TimeSpan.FromMilliseconds(100));
        Assert.Equal(1, entries.Sum(entry => entry.Taken));
        _time.Advance(TimeSpan.FromMilliseconds(1_000));
        Assert.Equal(moved ? 2 : 1, entries.Sum(entry => entry.Taken));
    }

    private sealed class Entry : TimerEntry
    {
        public int Taken { get; private set; }

        public Action? Told { get; set; }

        protected internal override void OnDeadline()
        {
            if (!TakeExpiry())
                return;
            Taken++;
            Told?.Invoke();
        }
    }
}
