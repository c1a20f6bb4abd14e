namespace Malha.IntegrationTests.Guard.Traps;

/// <summary>Field lines and the head's line ends: RFC 9112, 2.2 and 5; RFC 9110, 5.</summary>
internal static class FieldTraps
{
    // Every control byte that has fooled somebody: NUL, SOH, BEL, BS, VT, FF, SO, ESC, US, DEL.
    private static readonly char[] Controls = ['\0', '\x01', '\x07', '\x08', '\x0b', '\x0c', '\x0e', '\x1b', '\x1f', '\x7f'];

    public static IEnumerable<GuardCase> All() =>
    [
        Refuse("a bracket in the name", "Bad[Name: x"),
        Refuse("a space before the colon", "Name : x"),
        Refuse("a tab before the colon", "Name\t: x"),
        Refuse("an empty name", ": x"),
        Refuse("a space in the name", "Na me: x"),
        Refuse("no colon", "Name"),
        Refuse("parentheses in the name", "Name(1): x"),
        Refuse("quotes around the name", "\"Name\": x"),
        Refuse("a slash in the name", "Na/me: x"),
        Refuse("an at in the name", "Na@me: x"),
        Refuse("a letter beyond ASCII in the name", "N\xe4me: x"),
        Refuse("UTF-8 in the name", "N\xc3\xa4me: x"),
        Refuse("a folded line, space", "Name: x\r\n y"),
        Refuse("a folded line, tab", "Name: x\r\n\ty"),
        Refuse("a folded line of white space only", "Name: x\r\n \r\nOther: y"),
        Refuse("a bare CR in the value", "Name: x\ry"),
        Refuse("a bare CR at the value's end", "Name: x\r\r\nOther: y"),
        Refuse("a bare CR in the name", "Na\rme: x"),
        Refuse("a bare LF in the value", "Name: x\nOther: y"),
        Refuse("a bare LF and a space, a fold of its own", "Name: x\n y"),
        Refuse("LF CR instead of CRLF", "Name: x\n\rOther: y"),
        GuardCase.Refuse("white space before the first field", "GET /field HTTP/1.1\r\n Host: trap.example\r\n\r\n"),
        GuardCase.Refuse("white space before the first field, then Host", "GET /field HTTP/1.1\r\n X: y\r\nHost: trap.example\r\n\r\n"),
        GuardCase.Refuse("LF as every line end", "GET /field HTTP/1.1\nHost: trap.example\n\n"),
        GuardCase.Refuse("LF behind the request line", "GET /field HTTP/1.1\nHost: trap.example\r\n\r\n"),
        GuardCase.Refuse("LF behind the last field", "GET /field HTTP/1.1\r\nHost: trap.example\n\r\n"),
        GuardCase.Refuse("LF as the empty line", "GET /field HTTP/1.1\r\nHost: trap.example\r\n\n"),
        GuardCase.Refuse("CR behind the request line", "GET /field HTTP/1.1\rHost: trap.example\r\n\r\n"),
        GuardCase.Refuse("CR CR LF behind the request line", "GET /field HTTP/1.1\r\r\nHost: trap.example\r\n\r\n"),
        GuardCase.Refuse("CR as the empty line", "GET /field HTTP/1.1\r\nHost: trap.example\r\n\rX"),
        GuardCase.Refuse("a bare LF that hides a second request", "GET /field HTTP/1.1\r\nHost: trap.example\r\nX: y\n\nGET /hidden HTTP/1.1\r\nHost: trap.example\r\n\r\n"),
        .. Controls.Select(control => Refuse($"control byte 0x{(int)control:x2} in the value", $"Name: x{control}y")),
        .. Controls.Select(control => Refuse($"control byte 0x{(int)control:x2} first in the value", $"Name: {control}y")),
        .. Controls.Select(control => Refuse($"control byte 0x{(int)control:x2} in the name", $"Na{control}me: y")),
        Good("a tab in the value", "Name: x\ty"),
        Good("bytes beyond ASCII in the value", "Name: D\xfcsseldorf \xff"),
        Good("UTF-8 in the value", "Name: D\xc3\xbcsseldorf"),
        Good("an empty value", "Name:"),
        Good("a value of white space", "Name:  \t "),
        Good("no space behind the colon", "Name:x"),
        Good("a colon in the value", "Name: a:b: c"),
        Good("every letter that a name may have", "!#$%&'*+-.^_`|~09azAZ: x"),
        Good("one letter as a name", "N: x"),
        Good("a field twice", "Name: x\r\nName: y"),
        Good("a field that Connection names is dropped", "Secret: x\r\nConnection: Secret"),
        Good("100 fields with Host", string.Join("\r\n", Enumerable.Range(0, 99).Select(i => $"X-{i}: {i}"))),
        Either("Connection names Content-Length", "Connection: Content-Length"),
        Either("Connection names Host", "Connection: Host"),
        Either("Connection names Authorization", "Authorization: Basic YTpi\r\nConnection: Authorization"),
        Either("Connection names X-Forwarded-For", "X-Forwarded-For: 192.0.2.1\r\nConnection: close, X-Forwarded-For"),
        GuardCase.Good("an empty line before the request", "\r\nGET /field HTTP/1.1\r\nHost: trap.example\r\n\r\n"),
        GuardCase.Either("three empty lines before the request", "\r\n\r\n\r\nGET /field HTTP/1.1\r\nHost: trap.example\r\n\r\n"),
        GuardCase.Refuse("a bare LF before the request", "\n\rGET /field HTTP/1.1\r\nHost: trap.example\r\n\r\n"),
    ];

    private static string Get(string field) => $"GET /field HTTP/1.1\r\nHost: trap.example\r\n{field}\r\n\r\n";

    private static GuardCase Refuse(string name, string field) => GuardCase.Refuse($"field: {name}", Get(field), 400);

    private static GuardCase Either(string name, string field) => GuardCase.Either($"field: {name}", Get(field));

    private static GuardCase Good(string name, string field) => GuardCase.Good($"field: {name}", Get(field));
}
