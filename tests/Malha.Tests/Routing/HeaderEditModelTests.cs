using Malha.Configuration;
using Malha.Proxy.Http1;
using Malha.Proxy.Routing;
using Malha.Tests.Http1;

namespace Malha.Tests.Routing;

public sealed class HeaderEditModelTests
{
    private static HeaderConfig Field(string name, string value) => new() { Name = name, Value = value };

    private static readonly HeaderEditModel Edit = HeaderEditModel.Of(new HeaderEditConfig
    {
        Remove = ["X-Internal", "Via"],
        Set = [Field("X-Tier", "gold"), Field("Host", "inner.example")],
        Add = [Field("X-Tag", "a"), Field("User-Agent", "malha")],
    });

    [Theory]
    [InlineData("x-internal", true)]
    [InlineData("X-TIER", true)]
    [InlineData("via", true)]
    [InlineData("host", true)]
    [InlineData("x-tag", false)]
    [InlineData("user-agent", false)]
    [InlineData("x-other", false)]
    [InlineData("x-intern", false)]
    public void Fields_that_are_removed_or_set_are_dropped(string name, bool dropped)
    {
        Assert.Equal(dropped, Edit.Drops(Heads.Bytes(name)));
        Assert.Equal(dropped, Edit.Drops(KnownHeaders.Find(Heads.Bytes(name)), Heads.Bytes(name)));
    }

    [Fact]
    public void Lines_hold_what_is_set_and_then_what_is_added() =>
        Assert.Equal("X-Tier: gold\r\nHost: inner.example\r\nX-Tag: a\r\nUser-Agent: malha\r\n", Heads.Text(Edit.Lines));

    [Fact]
    public void Only_what_is_set_counts_as_set()
    {
        Assert.True(Edit.Sets(KnownHeader.Host));
        Assert.False(Edit.Sets(KnownHeader.Via));
        Assert.False(Edit.Sets(KnownHeader.UserAgent));
        Assert.False(Edit.Sets(KnownHeader.Other));
        Assert.True(Edit.TryGetSet("x-tier"u8, out var value));
        Assert.Equal("gold", Heads.Text(value));
        Assert.False(Edit.TryGetSet("x-tag"u8, out _));
    }

    [Fact]
    public void No_edits_are_empty_and_drop_nothing()
    {
        var none = HeaderEditModel.Of(new HeaderEditConfig());
        Assert.True(none.IsEmpty);
        Assert.False(Edit.IsEmpty);
        Assert.False(none.Drops("x"u8));
        Assert.False(none.Drops(KnownHeader.Other, "x"u8));
    }

    [Theory]
    [InlineData("X Y", "1")]
    [InlineData("", "1")]
    [InlineData("X", "a\r\nSet-Cookie: b")]
    [InlineData("X", "a\0")]
    public void A_field_that_would_break_the_head_cannot_be_made(string name, string value) =>
        Assert.Throws<ArgumentException>(() => HeaderEditModel.Of(new HeaderEditConfig { Add = [Field(name, value)] }));

    [Fact]
    public void A_fixed_answer_has_its_bytes_ready()
    {
        var answer = new FixedAnswerModel(new FixedAnswerConfig { Status = 503, Body = "später", ContentType = "text/html", Headers = [Field("X-A", "1")] });
        Assert.Equal(503, answer.Status);
        Assert.Equal("content-type: text/html\r\nX-A: 1\r\n", Heads.Text(answer.Lines));
        Assert.Equal("später"u8, answer.Body.Span);

        var empty = new FixedAnswerModel(new FixedAnswerConfig { Status = 204 });
        Assert.True(empty.Lines.IsEmpty);
        Assert.True(empty.Body.IsEmpty);
    }
}
