using Microsoft.AspNetCore.Http.HttpResults;

namespace Malha.ControlPlane.Api;

/// <summary>One page of a list.</summary>
/// <param name="Items">In the list's order.</param>
/// <param name="Next">What to give as `after` for the next page; null on the last one.</param>
public sealed record Page<T>(IReadOnlyList<T> Items, string? Next);

/// <summary>Cuts lists into pages: `limit` says how many, `after` where the page before ended.</summary>
internal static class Paging
{
    public const int DefaultLimit = 100;
    public const int MaxLimit = 1000;

    /// <summary>The page, or what is wrong with the question.</summary>
    /// <param name="items">The whole list.</param>
    /// <param name="key">What an item is called in `after`.</param>
    /// <param name="view">What is answered for it.</param>
    /// <param name="limit">As the caller gave it.</param>
    /// <param name="after">The key of the last item that the caller has; null at the beginning.</param>
    /// <param name="problem">What is wrong; null with a page.</param>
    public static Page<TView>? Cut<TItem, TView>(
        IEnumerable<TItem> items, Func<TItem, string> key, Func<TItem, TView> view, int? limit, string? after, out ProblemHttpResult? problem)
    {
        problem = CheckLimit(limit);
        if (problem is not null)
            return null;

        var rest = items;
        if (after is not null)
        {
            rest = items.SkipWhile(item => key(item) != after);
            // A reload may have taken the item away: the caller has to begin anew, and must not take an empty page for the end.
            if (!rest.Any())
            {
                problem = ApiProblem.Make(400, "bad-query", "The query is not understood", $"after: there is no '{after}' in the list");
                return null;
            }
            rest = rest.Skip(1);
        }
        var page = rest.Take((limit ?? DefaultLimit) + 1).ToArray();
        var isLast = page.Length <= (limit ?? DefaultLimit);
        var taken = isLast ? page : page[..^1];
        return new Page<TView>([.. taken.Select(view)], isLast ? null : key(taken[^1]));
    }

    public static ProblemHttpResult? CheckLimit(int? limit) => limit is null or (>= 1 and <= MaxLimit) ? null
        : ApiProblem.Make(400, "bad-query", "The query is not understood", $"limit: {limit} is not from 1 to {MaxLimit}");
}
