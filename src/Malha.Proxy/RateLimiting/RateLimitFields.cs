using Malha.Proxy.Http1;
using Malha.Proxy.Identity;
using Malha.Proxy.Routing;

namespace Malha.Proxy.RateLimiting;

/// <summary>
/// RateLimit-Policy and RateLimit (draft-ietf-httpapi-ratelimit-headers), on every answer to a request that a limit was asked for: the policies, and of the
/// tightest one what remains. They are an endpoint's business too, so that its own stay: lists of several policies are what the fields are made for.
/// </summary>
internal static class RateLimitFields
{
    /// <summary>Bytes that the fields take at most.</summary>
    public static int Bound(Caller caller) => caller.Limits is { } limits ? limits.PolicyLine.Length + caller.Limit!.PolicyName.Length + 64 : 0;

    public static void Write(ref HeadWriter writer, Caller caller, HeaderEditModel edits)
    {
        if (caller.Limits is not { } limits)
            return;
        if (!edits.Drops(KnownHeader.Other, "RateLimit-Policy"u8))
            writer.Write(limits.PolicyLine);
        if (edits.Drops(KnownHeader.Other, "RateLimit"u8))
            return;
        writer.Write("RateLimit: "u8);
        writer.Write(caller.Limit!.PolicyName);
        writer.Write(";r="u8);
        writer.Write(caller.Remaining);
        writer.Write(";t="u8);
        writer.Write(caller.ResetSeconds);
        writer.EndLine();
    }
}
