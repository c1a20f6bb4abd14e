using System.Globalization;
using Malha.Proxy.Http1;

namespace Malha.Proxy.Guard;

/// <summary>
/// What a well-formed request head must be besides: framed in one way, sent to one host, with a target that means the same to everybody.
/// Fills the head's framing, target and connection properties; what is ambiguous is a fault.
/// </summary>
internal static class RequestGuard
{
    public static HttpFault Inspect(RequestHead head)
    {
        var host = default(Slice?);
        var encoded = false;
        var connection = ConnectionOptions.None;
        head.KeepAlive = head.MinorVersion == 1;

        foreach (ref readonly var field in head.Fields)
        {
            if (field.Known == KnownHeader.Other)
                continue;
            var value = head.Bytes(field.Value);
            var fault = HttpFault.None;
            switch (field.Known)
            {
                case KnownHeader.Host:
                    fault = host is null ? HttpFault.None : HttpFault.SecondHost;
                    host = field.Value;
                    break;
                case KnownHeader.ContentLength:
                    fault = FramingGuard.ContentLength(value, head);
                    break;
                case KnownHeader.TransferEncoding:
                    fault = encoded ? HttpFault.BadTransferEncoding : FramingGuard.TransferEncoding(value, head);
                    encoded = true;
                    break;
                case KnownHeader.Connection:
                    fault = ConnectionGuard.Inspect(value, head, ref connection);
                    break;
                case KnownHeader.Expect:
                    fault = HttpSyntax.EqualsIgnoreCase(value, "100-continue"u8) ? HttpFault.None : HttpFault.UnknownExpectation;
                    head.ExpectsContinue = true;
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

        var hostFault = HostGuard.Inspect(head, host);
        if (hostFault != HttpFault.None)
            return hostFault;
        var targetFault = TargetGuard.Inspect(head);
        if (targetFault != HttpFault.None)
            return targetFault;

        // An expectation without a body has nothing to wait for (RFC 9110, 10.1.1), and HTTP/1.0 has no 1xx.
        head.ExpectsContinue = head.ExpectsContinue && head.HasBody && head.MinorVersion == 1;
        head.WantsUpgrade = connection.HasFlag(ConnectionOptions.Upgrade) && head.MinorVersion == 1 && ConnectionGuard.UpgradeMayPass(head);
        return HttpFault.None;
    }
}

/// <summary>Content-Length and Transfer-Encoding, the same rules for requests and answers.</summary>
internal static class FramingGuard
{
    public static HttpFault ContentLength(ReadOnlySpan<byte> value, MessageHead head)
    {
        if (head.ContentLength >= 0)
            return HttpFault.SecondContentLength;
        // Digits alone: no sign, no list, no white space inside; NumberStyles.None admits nothing else, and an overflow fails.
        if (!long.TryParse(value, NumberStyles.None, CultureInfo.InvariantCulture, out var length))
            return HttpFault.BadContentLength;
        head.ContentLength = length;
        return HttpFault.None;
    }

    public static HttpFault TransferEncoding(ReadOnlySpan<byte> value, MessageHead head)
    {
        if (head.MinorVersion == 0)
            return HttpFault.EncodingInHttp10;
        if (!HttpSyntax.EqualsIgnoreCase(value, "chunked"u8))
            return HttpFault.BadTransferEncoding;
        head.Chunked = true;
        return HttpFault.None;
    }
}
