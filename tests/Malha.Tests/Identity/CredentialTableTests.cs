using System.Globalization;
using System.Text;
using Malha.Proxy.Http1;
using Malha.Proxy.Identity;
using Malha.Resilience;

namespace Malha.Tests.Identity;

public sealed class CredentialTableTests
{
    private static readonly KeyHash Hash = new(1, 2);

    [Fact]
    public void Each_of_ten_thousand_keys_is_found_and_no_other()
    {
        var keys = Enumerable.Range(0, 10_000).Select(number => (Key(number), number)).ToArray();
        var table = new CredentialTable("X-Api-Key", isCredential: true, keys, Hash);
        for (var number = 0; number < keys.Length; number += 7)
        {
            Assert.Equal(number, table.Find(Head($"X-Api-Key: {Key(number)}")));
            Assert.Equal(number, table.Find(Head($"X-Api-Key: {Key(number)}")));
            Assert.Equal(CredentialTable.Unknown, table.Find(Head($"X-Api-Key: {Key(number)}x")));
            Assert.Equal(CredentialTable.Unknown, table.Find(Head($"X-Api-Key: {Key(number)[..^1]}")));
        }
        Assert.Equal(CredentialTable.Absent, table.Find(Head("X-Other: 1")));
        Assert.Equal(CredentialTable.Unknown, table.Find(Head("X-Api-Key: ")));
        Assert.Equal(CredentialTable.Unknown, table.Find(Head($"X-Api-Key: {new string('k', 20_000)}")));
    }

    [Theory]
    [InlineData("X-Api-Key: one\r\nX-Api-Key: one")]
    [InlineData("x-api-key: one\r\nX-API-KEY: two")]
    public void Two_fields_are_nobodys(string fields) =>
        Assert.Equal(CredentialTable.Unknown, new CredentialTable("X-Api-Key", isCredential: true, [("one", 0), ("two", 1)], Hash).Find(Head(fields)));

    [Fact]
    public void A_field_of_any_name_is_found_whatever_its_case()
    {
        var table = new CredentialTable("X-Tenant", isCredential: false, [("acme", 3)], Hash);
        Assert.Equal(3, table.Find(Head("X-Other: acme\r\nx-TENANT: acme")));
        Assert.Equal(CredentialTable.Unknown, table.Find(Head("X-Tenant: Acme")));
        Assert.Equal(CredentialTable.Absent, table.Find(Head("X-Tenants: acme")));
    }

    [Fact]
    public void A_look_up_allocates_nothing()
    {
        var table = new CredentialTable("X-Api-Key", isCredential: true, [.. Enumerable.Range(0, 100).Select(number => (Key(number), number))], Hash);
        var right = Head($"X-Api-Key: {Key(50)}");
        var wrong = Head("X-Api-Key: wrong");
        table.Find(right);
        table.Find(wrong);
        var before = GC.GetAllocatedBytesForCurrentThread();
        for (var round = 0; round < 1_000; round++)
        {
            table.Find(right);
            table.Find(wrong);
        }
        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
    }

    private static string Key(int number) => string.Create(CultureInfo.InvariantCulture, $"key-{number * 7919:x8}-{number:d6}");

    private static RequestHead Head(string fields)
    {
        var bytes = Encoding.Latin1.GetBytes($"GET / HTTP/1.1\r\nHost: a\r\n{fields}\r\n\r\n");
        var head = new RequestHead();
        Assert.Equal(ParseStatus.Complete, HeadParser.ParseRequest(bytes, head, new HeadLimits(32 * 1024, 100)));
        head.Attach(bytes, 0);
        return head;
    }
}
