using System.Globalization;
using System.Text;

namespace Malha.Proxy.Timing;

/// <summary>The Date field's value, formatted once a second instead of once an answer.</summary>
internal sealed class HttpDate(TimeProvider time)
{
    private Formatted _formatted = new(0, []);

    public ReadOnlySpan<byte> Now
    {
        get
        {
            var now = time.GetUtcNow();
            var second = now.ToUnixTimeSeconds();
            var formatted = Volatile.Read(ref _formatted);
            if (formatted.Second != second)
            {
                formatted = new Formatted(second, Encoding.ASCII.GetBytes(now.ToString("R", CultureInfo.InvariantCulture)));
                Volatile.Write(ref _formatted, formatted);
            }
            return formatted.Text;
        }
    }

    private sealed record Formatted(long Second, byte[] Text);
}
