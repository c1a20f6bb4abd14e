using System.Buffers.Binary;
using System.Text;
using Malha.Configuration;
using Malha.Proxy.Http1;
using Malha.Proxy.Routing;
using Malha.Resilience;

namespace Malha.Proxy.Balancing;

/// <summary>
/// Finds in a request what decides where it goes, as a number: the same on every gateway and after every start, so that they agree. Whoever chooses his own
/// key can choose where he goes; what he cannot do is to overload an endpoint that way, since the load is bounded.
/// </summary>
internal sealed class AffinityModel(AffinityKey key)
{
    private static readonly KeyHash Hash = new(0x6D616C6861207231, 0x61206D6573682066);

    private readonly byte[] _name = Encoding.ASCII.GetBytes(key.Name);
    private readonly KnownHeader _known = key.Kind == AffinityKind.Header ? KnownHeaders.Find(Encoding.ASCII.GetBytes(key.Name)) : KnownHeader.Other;

    /// <summary>False when the request lacks it: then chance decides.</summary>
    /// <param name="exchange">The request, and who sends it.</param>
    /// <param name="space">What is decided: decisions in different spaces have nothing to do with each other.</param>
    /// <param name="hash">Evenly distributed over 64 bits.</param>
    public bool TryHash(Exchange exchange, AffinitySpace space, out ulong hash)
    {
        var request = exchange.Request;
        switch (key.Kind)
        {
            case AffinityKind.Client when exchange.Caller.Client is { Config.Any: false } client:
                hash = Hash.Of(client.NameBytes, (int)space);
                return true;
            case AffinityKind.Client or AffinityKind.Address:
                Span<byte> address = stackalloc byte[16];
                BinaryPrimitives.WriteUInt128BigEndian(address, exchange.Caller.Address.Scope.Bits);
                hash = Hash.Of(address, (int)space);
                return true;
            case AffinityKind.Header:
                return TryHash(Field(request), space, out hash);
            case AffinityKind.Cookie:
                return TryHash(Cookie(request), space, out hash);
            default:
                return TryHash(Segment(RoutePath.Raw(request)), space, out hash);
        }
    }

    private static bool TryHash(ReadOnlySpan<byte> text, AffinitySpace space, out ulong hash)
    {
        hash = text.IsEmpty ? 0 : Hash.Of(text, (int)space);
        return !text.IsEmpty;
    }

    private ReadOnlySpan<byte> Field(RequestHead head)
    {
        if (_known != KnownHeader.Other)
            return head.Has(_known) ? head.Value(_known) : default;
        foreach (ref readonly var field in head.Fields)
        {
            if (field.Known == KnownHeader.Other && HttpSyntax.EqualsIgnoreCase(head.Bytes(field.Name), _name))
                return head.Bytes(field.Value);
        }
        return default;
    }

    // RFC 6265 4.2.1: pairs with "; " between them. HTTP/2 may send each in a line of its own.
    private ReadOnlySpan<byte> Cookie(RequestHead head)
    {
        foreach (ref readonly var field in head.Fields)
        {
            if (!HttpSyntax.EqualsIgnoreCase(head.Bytes(field.Name), "cookie"u8))
                continue;
            var rest = head.Bytes(field.Value);
            while (!rest.IsEmpty)
            {
                var end = rest.IndexOf((byte)';');
                var pair = end < 0 ? rest : rest[..end];
                rest = end < 0 ? default : rest[(end + 1)..];
                pair = pair.TrimStart((byte)' ');
                if (pair.Length > _name.Length && pair[_name.Length] == (byte)'=' && pair.StartsWith(_name))
                    return pair[(_name.Length + 1)..];
            }
        }
        return default;
    }

    private ReadOnlySpan<byte> Segment(ReadOnlySpan<byte> path)
    {
        for (var number = 1; number < key.Segment && !path.IsEmpty; number++)
            PathModel.NextSegment(ref path);
        return path.IsEmpty ? default : PathModel.NextSegment(ref path);
    }
}

/// <summary>What an <see cref="AffinityModel"/> decides.</summary>
internal enum AffinitySpace
{
    /// <summary>Which endpoint of a service.</summary>
    Endpoint,

    /// <summary>Which service of a split.</summary>
    Split,
}
