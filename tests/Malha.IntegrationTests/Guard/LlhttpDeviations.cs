namespace Malha.IntegrationTests.Guard;

internal enum LlhttpRuling
{
    /// <summary>Refused, though llhttp takes it.</summary>
    Refuse,

    /// <summary>Refused or forwarded as it is.</summary>
    Either,

    /// <summary>As RFC 9112 reads the bytes, whatever llhttp says.</summary>
    ByTheLetter,
}

/// <summary>
/// Where a parser's verdict is not the one that is right for a gateway. llhttp leaves to its caller what the standard asks of a server (Host,
/// the forms of a target), knows three protocols besides HTTP, and has a list of methods.
/// </summary>
internal static class LlhttpDeviations
{
    public static IReadOnlyDictionary<string, (LlhttpRuling Ruling, string Reason)> Requests { get; } = new Dictionary<string, (LlhttpRuling, string)>
    {
        ["method: CONNECT request"] = (LlhttpRuling.Refuse, "a gateway is no tunnel (RFC 9110, 9.3.6: an origin answers CONNECT with 405 or 501)"),
        ["method: CONNECT request with CAPS"] = (LlhttpRuling.Refuse, "a gateway is no tunnel"),
        ["method: CONNECT with body"] = (LlhttpRuling.Refuse, "a gateway is no tunnel"),
        ["uri: Underscore in hostname"] = (LlhttpRuling.Refuse, "CONNECT again"),
        ["method: M-SEARCH request"] = (LlhttpRuling.Refuse, "* is for OPTIONS alone (RFC 9112, 3.2.4)"),
        ["method: PRI request HTTP2"] = (LlhttpRuling.Refuse, "PRI is reserved and * is for OPTIONS (RFC 9113, 11.6; RFC 9112, 3.2.4)"),
        ["method: SOURCE request with ICE"] = (LlhttpRuling.Refuse, "ICE/1.0 is not HTTP"),
        ["method: OPTIONS request with RTSP"] = (LlhttpRuling.Refuse, "RTSP/1.0 is not HTTP"),
        ["method: ANNOUNCE request with RTSP"] = (LlhttpRuling.Refuse, "RTSP/1.0 is not HTTP"),
        ["sample: No HTTP version"] = (LlhttpRuling.Refuse, "HTTP/0.9 is no request line of HTTP/1.1 (RFC 9112, 3)"),
        ["invalid: HTTP protocol and ANNOUNCE method"] = (LlhttpRuling.ByTheLetter, "any token is a method, and the origin decides (RFC 9110, 9.1)"),
        ["invalid: Invalid method"] = (LlhttpRuling.ByTheLetter, "any token is a method (RFC 9110, 9.1)"),
        ["uri: Quotes in URI"] = (LlhttpRuling.Either, "quotes are no characters of a URI (RFC 3986, 2), but clients send them"),
        ["uri: Query URL with vertical bar character"] = (LlhttpRuling.Either, "a bar is no character of a URI (RFC 3986, 2), but browsers send it"),
        ["transfer-encoding: Trailing headers"] = (LlhttpRuling.Either, "its Content-Type may not come as a trailer (RFC 9110, 6.5.1)"),
        ["uri: `host:port` and basic auth"] = (LlhttpRuling.Refuse, "a user in an http URI is an error (RFC 9110, 4.2.4)"),
        ["uri: Fragment in URI"] = (LlhttpRuling.Refuse, "a request target has no fragment (RFC 9112, 3.2)"),
        ["transfer-encoding: POST with `chunked` as last transfer-encoding"] = (LlhttpRuling.Refuse, "a coding that the gateway does not undo (RFC 9112, 6.1: 501)"),
        ["transfer-encoding: POST with `chunked` as last transfer-encoding (multiple headers)"] = (LlhttpRuling.Refuse, "a coding that the gateway does not undo"),
    };
}
