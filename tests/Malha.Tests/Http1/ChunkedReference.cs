using Malha.Proxy.Http1;

namespace Malha.Tests.Http1;

/// <summary>A chunked body, read to the end: what it decodes to, and where it ends.</summary>
internal sealed record ChunkedResult(ChunkStatus Status, string Body, int Consumed);

/// <summary>
/// RFC 9112, 7.1, as it is written: the grammar top-down over the whole text, in recursive descent. Knows no limits, which the bodies here are far from.
/// </summary>
internal sealed class ChunkedReference
{
    private readonly string _text;
    private readonly System.Text.StringBuilder _body = new();
    private int _place;

    private ChunkedReference(string text) => _text = text;

    public static ChunkedResult Decode(string text)
    {
        var reader = new ChunkedReference(text);
        try
        {
            while (reader.Chunk())
            {
            }
            reader.Trailers();
            return new ChunkedResult(ChunkStatus.Complete, reader._body.ToString(), reader._place);
        }
        catch (EndOfStreamException)
        {
            return new ChunkedResult(ChunkStatus.NeedMore, reader._body.ToString(), 0);
        }
        catch (FormatException)
        {
            return new ChunkedResult(ChunkStatus.Fault, "", 0);
        }
    }

    // chunk = chunk-size [ chunk-ext ] CRLF chunk-data CRLF; false for the last one.
    private bool Chunk()
    {
        var digits = While(char.IsAsciiHexDigit, atLeast: 1);
        Extensions();
        Require("\r\n");
        if (digits.Length > 16 || !ulong.TryParse(digits, System.Globalization.NumberStyles.AllowHexSpecifier, null, out var size) || size > long.MaxValue)
            throw new FormatException();
        if (size == 0)
            return false;
        var available = (int)Math.Min(size, (ulong)(_text.Length - _place));
        _body.Append(_text, _place, available);
        _place += available;
        if ((ulong)available < size)
            throw new EndOfStreamException();
        Require("\r\n");
        return true;
    }

    // chunk-ext = *( BWS ";" BWS token [ BWS "=" BWS ( token / quoted-string ) ] )
    private void Extensions()
    {
        while (Next() != '\r')
        {
            Blanks();
            Require(";");
            Blanks();
            Token();
            var mark = _place;
            Blanks();
            if (Next() != '=')
            {
                // The blanks belong to what follows, which is another extension or nothing.
                _place = mark;
                continue;
            }
            _place++;
            Blanks();
            if (Next() == '"')
                Quoted();
            else
                Token();
        }
    }

    private void Quoted()
    {
        Require("\"");
        while (Next() != '"')
        {
            if (_text[_place] == '\\')
                _place++;
            if (Next() != '\t' && (_text[_place] < ' ' || _text[_place] == '\x7f'))
                throw new FormatException();
            _place++;
        }
        Require("\"");
    }

    private void Trailers()
    {
        while (Next() != '\r')
        {
            var name = Token();
            Require(":");
            While(c => c == '\t' || (c >= ' ' && c != '\x7f'), atLeast: 0);
            Require("\r\n");
            if (name.ToLowerInvariant() is "content-length" or "te" or "host" or "cookie")
                throw new FormatException();
        }
        Require("\r\n");
    }

    private string Token() => While(c => char.IsAsciiLetterOrDigit(c) || "!#$%&'*+-.^_`|~".Contains(c, StringComparison.Ordinal), atLeast: 1);

    private void Blanks() => While(c => c is ' ' or '\t', atLeast: 0);

    private string While(Func<char, bool> fits, int atLeast)
    {
        var start = _place;
        while (fits(Next()))
            _place++;
        return _place - start >= atLeast ? _text[start.._place] : throw new FormatException();
    }

    private void Require(string expected)
    {
        foreach (var c in expected)
        {
            if (Next() != c)
                throw new FormatException();
            _place++;
        }
    }

    private char Next() => _place < _text.Length ? _text[_place] : throw new EndOfStreamException();
}
