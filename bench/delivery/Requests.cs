using System.Security.Cryptography;
using Malha.Delivery.Operations;

namespace Malha.Bench.Delivery;

/// <summary>Operations as a client's POST would make them.</summary>
internal static class Requests
{
    private static readonly RandomNumberGenerator Chance = RandomNumberGenerator.Create();

    public static Operation Post(string lane, string key, string target, AckLevel acks)
    {
        var now = TimeProvider.System.GetUtcNow();
        return new Operation
        {
            Id = OperationId.New(now, Chance), Owner = "client:bench", Class = "standard", Service = lane, Lane = lane, Key = key, Acks = acks,
            Method = "POST", Target = target, Headers = [new("Content-Type", "application/octet-stream"), new("Accept", "application/json")],
            Created = now, Due = now, Expires = now.AddDays(1),
        };
    }
}
