using Malha.Proxy.Http1;

namespace Malha.Proxy.Guard;

/// <summary>How an upstream's answer is framed. Whatever can be read in two ways is a fault: the answer after it would be somebody else's.</summary>
internal static class ResponseGuard
{
    public static HttpFault Inspect(ResponseHead head)
    {
        var connection = ConnectionOptions.None;
        var encoded = false;
        head.KeepAlive = head.MinorVersion == 1;
        foreach (ref readonly var field in head.Fields)
        {
            var fault = HttpFault.None;
            switch (field.Known)
            {
                case KnownHeader.ContentLength:
                    fault = FramingGuard.ContentLength(head.Bytes(field.Value), head);
                    break;
                case KnownHeader.TransferEncoding:
                    fault = encoded ? HttpFault.BadTransferEncoding : FramingGuard.TransferEncoding(head.Bytes(field.Value), head);
                    encoded = true;
                    break;
                case KnownHeader.Connection:
                    fault = ConnectionGuard.Inspect(head.Bytes(field.Value), head, ref connection);
                    break;
                default:
                    break;
            }
            if (fault != HttpFault.None)
                return fault;
        }

        if (head.Chunked && head.ContentLength >= 0)
            return HttpFault.LengthAndEncoding;
        if (connection.HasFlag(ConnectionOptions.Close))
            head.KeepAlive = false;
        else if (connection.HasFlag(ConnectionOptions.KeepAlive))
            head.KeepAlive = true;
        return HttpFault.None;
    }
}
