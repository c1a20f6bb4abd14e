namespace Malha.Proxy.Rpc;

/// <summary>The statuses of gRPC that Malha itself gives or looks for (grpc.github.io, "Status codes and their use in gRPC").</summary>
internal enum GrpcStatus : byte
{
    Ok = 0,
    Cancelled = 1,
    Unknown = 2,
    DeadlineExceeded = 4,
    PermissionDenied = 7,
    ResourceExhausted = 8,
    Unimplemented = 12,
    Internal = 13,
    Unavailable = 14,
    DataLoss = 15,
    Unauthenticated = 16,
}
