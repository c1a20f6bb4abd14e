namespace Malha.Proxy.Http1;

internal sealed class ResponseHead : MessageHead
{
    public int Status { get; set; }

    public Slice Reason { get; set; }

    public bool IsInformational => Status is >= 100 and < 200 and not 101;

    public override void Reset()
    {
        base.Reset();
        Status = 0;
        Reason = default;
    }
}
