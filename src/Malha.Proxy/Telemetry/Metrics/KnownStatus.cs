namespace Malha.Proxy.Telemetry.Metrics;

/// <summary>
/// Statuses that get a time series of their own: those of IANA's registry, and nginx's 499 for a client that went away. An endpoint that
/// invents others must not fill the memory of whoever counts them.
/// </summary>
internal static class KnownStatus
{
    private static readonly short[] Counted = Table();

    /// <summary>The status itself, the first of its class when it is not registered, or 0 when it is none.</summary>
    public static int Of(int status) => (uint)status < (uint)Counted.Length ? Counted[status] : 0;

    private static short[] Table()
    {
        ReadOnlySpan<short> registered =
        [
            100, 101, 102, 103, 104,
            200, 201, 202, 203, 204, 205, 206, 207, 208, 226,
            300, 301, 302, 303, 304, 305, 307, 308,
            400, 401, 402, 403, 404, 405, 406, 407, 408, 409, 410, 411, 412, 413, 414, 415, 416, 417,
            421, 422, 423, 424, 425, 426, 428, 429, 431, 451, 499,
            500, 501, 502, 503, 504, 505, 506, 507, 508, 510, 511,
        ];
        var table = new short[1000];
        for (var status = 100; status < table.Length; status++)
            table[status] = (short)(status / 100 * 100);
        foreach (var status in registered)
            table[status] = status;
        return table;
    }
}
