namespace Malha.IntegrationTests.Harness;

/// <summary>One line of a case's trace: what llhttp reported at this offset of the input.</summary>
internal sealed record LlhttpEvent(int Offset, string What, int Length, int ErrorCode);

/// <summary>A message that llhttp read, whole or not; <see cref="VersionEnd"/> is the input's offset behind the version (0: it had none).</summary>
internal sealed record LlhttpMessage(
    string Method, string Target, string Version, IReadOnlyList<WireField> Fields, byte[] Body, IReadOnlyList<WireField> Trailers, int VersionEnd, bool IsComplete);

/// <summary>One case of llhttp's own test suite; <see cref="Name"/> is unique: file and title.</summary>
internal sealed record LlhttpCase(string Name, string Type, bool SkipsBody, byte[] Input, IReadOnlyList<LlhttpEvent> Trace)
{
    // llhttp's codes for a pause at an upgrade and at an HTTP/2 preface: it leaves the rest to its caller, nothing is wrong.
    private const int PausedUpgrade = 22;
    private const int PausedHttp2Upgrade = 23;

    private const int ClosedConnection = 5;

    /// <summary>One of its switches that take what the standard does not allow.</summary>
    public bool IsLenient => Type.Contains("lenient", StringComparison.Ordinal);

    public bool HasDataAfterClose => ErrorCode == ClosedConnection;

    public bool HasPaused => ErrorCode is PausedUpgrade or PausedHttp2Upgrade;

    public bool HasError => ErrorCode != 0 && !HasPaused;

    public int ErrorCode => Trace.Select(line => line.ErrorCode).FirstOrDefault(code => code != 0);

    public IReadOnlyList<LlhttpMessage> Messages
    {
        get
        {
            var messages = new List<LlhttpMessage>();
            LlhttpMessageBuilder? building = null;
            foreach (var line in Trace)
            {
                building = line.What == "message begin" ? new LlhttpMessageBuilder(Input) : building;
                building?.Add(line);
                if (building == null || (line.What != "message complete" && line != Trace[^1]))
                    continue;
                messages.Add(building.Build(line.What == "message complete"));
                building = null;
            }
            return messages;
        }
    }
}

/// <summary>Puts one message together from the spans of a trace.</summary>
internal sealed class LlhttpMessageBuilder(byte[] input)
{
    private readonly Dictionary<string, string> _spans = [];
    private readonly List<WireField> _fields = [];
    private readonly List<WireField> _trailers = [];
    private readonly List<byte> _body = [];
    private bool _headIsComplete;
    private int _versionEnd;

    public void Add(LlhttpEvent line)
    {
        switch (line.What)
        {
            case "span[body]":
                _body.AddRange(input.AsSpan(line.Offset, line.Length));
                break;
            case var span when span.StartsWith("span[", StringComparison.Ordinal):
                var bytes = WireText.Text(input.AsSpan(line.Offset, line.Length));
                _spans[span] = _spans.GetValueOrDefault(span) + bytes;
                break;
            case "version complete":
                _versionEnd = line.Offset;
                break;
            case "header_value complete":
                (_headIsComplete ? _trailers : _fields).Add(new WireField(Take("span[header_field]"), Take("span[header_value]").Trim(' ', '\t')));
                break;
            case "headers complete":
                _headIsComplete = true;
                break;
        }
    }

    public LlhttpMessage Build(bool isComplete) => new(
        Take("span[method]"), Take("span[url]"), $"{Take("span[protocol]")}/{Take("span[version]")}", [.. _fields], [.. _body], [.. _trailers], _versionEnd, isComplete);

    private string Take(string span)
    {
        _spans.Remove(span, out var text);
        return text ?? "";
    }
}
