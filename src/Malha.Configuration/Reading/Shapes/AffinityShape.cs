namespace Malha.Configuration.Reading.Shapes;

/// <summary>What requests have in common that go to the same place.</summary>
internal static class AffinityShape
{
    public static Shape<AffinityKey> Shape { get; } = new TextShape<AffinityKey>(
        "client, address, header:NAME, cookie:NAME or segment:N", "^(client|address|(header|cookie):.+|segment:[0-9]+)$", Read, key => key.ToString());

    private static string? Read(string text, out AffinityKey key)
    {
        var read = AffinityKey.TryParse(text, out var found, out var problem);
        key = found!;
        return read ? null : $"{Printable.Quote(text)} {problem}";
    }
}
