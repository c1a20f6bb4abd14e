using Malha.Configuration;

namespace Malha.Tests.Configuration;

public sealed class PathPatternTests
{
    [Theory]
    [InlineData("/", PathPatternKind.Exact, "")]
    [InlineData("/a", PathPatternKind.Exact, "a")]
    [InlineData("/a/", PathPatternKind.Exact, "a,")]
    [InlineData("/**", PathPatternKind.Prefix, "")]
    [InlineData("/a/b/**", PathPatternKind.Prefix, "a,b")]
    [InlineData("/users/{id}/orders/*", PathPatternKind.Template, "users,{id},orders,*")]
    [InlineData("/users/{id}/**", PathPatternKind.Template, "users,{id}")]
    [InlineData("/%7e%41%2f%c3%A9", PathPatternKind.Exact, "~A%2F%C3%A9")]
    [InlineData("/a;b=c/d:e@f!$&'()+,=", PathPatternKind.Exact, "a;b=c,d:e@f!$&'()+,=")]
    public void A_pattern_is_read_into_segments(string text, PathPatternKind kind, string segments)
    {
        var pattern = PathPattern.Parse(text);
        Assert.Equal(kind, pattern.Kind);
        Assert.Equal(text.EndsWith("/**", StringComparison.Ordinal), pattern.TakesRest);
        Assert.Equal(segments, string.Join(',', pattern.Segments.Select(segment => segment.Kind switch
        {
            PathSegmentKind.Any => "*",
            PathSegmentKind.Parameter => $"{{{segment.Text}}}",
            _ => segment.Text,
        })));
        Assert.Equal(text, pattern.ToString());
    }

    [Fact]
    public void Patterns_that_mean_the_same_are_equal()
    {
        Assert.Equal(PathPattern.Parse("/%7euser"), PathPattern.Parse("/~user"));
        Assert.Equal(PathPattern.Parse("/%2f"), PathPattern.Parse("/%2F"));
        Assert.NotEqual(PathPattern.Parse("/a"), PathPattern.Parse("/a/"));
        Assert.NotEqual(PathPattern.Parse("/a"), PathPattern.Parse("/A"));
        Assert.NotEqual(PathPattern.Parse("/a"), PathPattern.Parse("/a/**"));
        Assert.Equal(PathPattern.Everything, PathPattern.Parse("/**"));
    }

    [Theory]
    [InlineData("")]
    [InlineData("a")]
    [InlineData("*")]
    [InlineData("//")]
    [InlineData("/a//b")]
    [InlineData("//**")]
    [InlineData("/a/./b")]
    [InlineData("/a/..")]
    [InlineData("/%2e/b")]
    [InlineData("/a?b")]
    [InlineData("/a#b")]
    [InlineData("/a b")]
    [InlineData("/a\\b")]
    [InlineData("/é")]
    [InlineData("/%")]
    [InlineData("/%1")]
    [InlineData("/%zz")]
    [InlineData("/a*")]
    [InlineData("/**/a")]
    [InlineData("/a**")]
    [InlineData("/{}")]
    [InlineData("/{a b}")]
    [InlineData("/{a}{b}")]
    [InlineData("/x{a}")]
    [InlineData("/{a}/{a}")]
    public void What_is_no_pattern_is_refused(string text)
    {
        Assert.False(PathPattern.TryParse(text, out _, out var problem));
        Assert.NotEmpty(problem);
        Assert.Throws<FormatException>(() => PathPattern.Parse(text));
    }

    [Fact]
    public void A_pattern_of_many_pages_is_refused() => Assert.False(PathPattern.TryParse(string.Concat(Enumerable.Repeat("/a", 2049)), out _, out _));
}
