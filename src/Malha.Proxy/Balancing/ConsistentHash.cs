using System.Buffers.Binary;
using System.Text;
using Malha.Resilience;

namespace Malha.Proxy.Balancing;

/// <summary>
/// Requests with the same key go to the same endpoint, as long as it is there and not overloaded: a ring (Karger et al. 1997) on which each endpoint has 160 points for
/// each unit of its weight (Ketama's number), with bounded loads (Mirrokni, Thorup and Zadimoghaddam 2017).
/// </summary>
/// <remarks>
/// A key belongs to the endpoint of the first point at or after it. The points follow from the endpoint's name alone, so that all gateways agree, and an endpoint that
/// comes or goes moves its own keys and no others: about 1/n of them. No endpoint is given more than 1.25 times its part of what is in flight, rounded up (the paper's and
/// HAProxy's usual factor, 1 + ε with ε = 1/4); beyond it, the key goes on along the ring, and so do keys of endpoints that are out of use. One that starts slowly gets so many of its keys, and
/// always the same ones, as its share says.
/// </remarks>
internal sealed class ConsistentHash : Balancer
{
    private const int PointsPerWeight = 160;

    /// <summary>768 KiB. With more points all endpoints have fewer, by a power of two, which moves few keys.</summary>
    private const int MostPoints = 1 << 16;

    private const double LoadFactor = 1.25;

    private static readonly KeyHash Hash = new(0x72696E67206F6620, 0x656E64706F696E74);

    private readonly ulong[] _points;
    private readonly int[] _owners;
    private readonly ulong[] _names;

    /// <param name="endpoints">What is known of each now.</param>
    /// <param name="members">How they are called, and what they weigh when they are whole.</param>
    public ConsistentHash(EndpointLoad[] endpoints, RingMember[] members)
        : base(endpoints)
    {
        _names = [.. members.Select(member => Hash.Of(Encoding.UTF8.GetBytes(member.Name)))];
        var scale = 1.0;
        while (members.Sum(member => member.Weight) * PointsPerWeight / scale > MostPoints)
            scale *= 2;
        var points = new List<(ulong Point, int Owner)>();
        for (var owner = 0; owner < members.Length; owner++)
        {
            var count = Math.Max(1, (int)(members[owner].Weight * PointsPerWeight / scale));
            for (var number = 0; number < count; number++)
                points.Add((PointOf(members[owner].Name, number), owner));
        }
        points.Sort();
        _points = [.. points.Select(one => one.Point)];
        _owners = [.. points.Select(one => one.Owner)];
    }

    protected override int Pick(long nowMs, ref Xorshift random, TriedEndpoints tried, ulong key)
    {
        var (inFlight, weight) = Total(tried);
        if (weight <= 0)
            return None;
        var start = Array.BinarySearch(_points, key);
        start = start < 0 ? ~start : start;
        // Whoever has room; and when nobody has, since counts change while they are read, whoever is next.
        var choice = Walk(start, tried, key, (inFlight + 1) * LoadFactor / weight);
        return choice == None ? Walk(start, tried, key, double.MaxValue) : choice;
    }

    private int Walk(int start, TriedEndpoints tried, ulong key, double mostPerWeight)
    {
        var passedOver = None;
        for (var step = 0; step < _owners.Length; step++)
        {
            var place = start + step;
            var owner = _owners[place < _owners.Length ? place : place - _owners.Length];
            var load = Endpoints[owner];
            var weight = load.Weight;
            if (weight <= 0 || tried.Contains(owner) || load.InFlight >= Math.Ceiling(weight * mostPerWeight))
                continue;
            if (IsWarm(load, owner, key))
                return owner;
            // Its place is not taken yet; it is better than nobody.
            passedOver = passedOver == None ? owner : passedOver;
        }
        return passedOver;
    }

    // Which of its keys an endpoint has already that starts slowly: the same ones each time, and more and more of them.
    private bool IsWarm(EndpointLoad load, int owner, ulong key)
    {
        var share = load.Share;
        return share >= 1 || (Mix(key ^ _names[owner]) >> 11) * (1.0 / (1UL << 53)) < share;
    }

    private (int InFlight, double Weight) Total(TriedEndpoints tried)
    {
        var inFlight = 0;
        var sum = 0.0;
        var endpoints = Endpoints;
        for (var index = 0; index < endpoints.Length; index++)
        {
            var weight = endpoints[index].Weight;
            if (weight <= 0 || tried.Contains(index))
                continue;
            sum += weight;
            inFlight += Math.Max(0, endpoints[index].InFlight);
        }
        return (inFlight, sum);
    }

    private static ulong PointOf(string name, int number)
    {
        var bytes = new byte[Encoding.UTF8.GetByteCount(name) + sizeof(int)];
        Encoding.UTF8.GetBytes(name, bytes);
        BinaryPrimitives.WriteInt32LittleEndian(bytes.AsSpan(bytes.Length - sizeof(int)), number);
        return Hash.Of(bytes);
    }

    // The finalizer of SplitMix64 (Steele, Lea and Flood 2014).
    private static ulong Mix(ulong value)
    {
        value = (value ^ (value >> 30)) * 0xBF58476D1CE4E5B9;
        value = (value ^ (value >> 27)) * 0x94D049BB133111EB;
        return value ^ (value >> 31);
    }
}

/// <summary>An endpoint on the ring.</summary>
/// <param name="Name">Scheme, host and port: where its points are follows from it.</param>
/// <param name="Weight">How many points it has, relative to the others.</param>
internal readonly record struct RingMember(string Name, int Weight);
