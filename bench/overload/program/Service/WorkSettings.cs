namespace Malha.Bench.Overload.Service;

/// <summary>What a service can do: its capacity is Workers / ServiceMs.</summary>
/// <param name="Workers">How many requests it works on at a time.</param>
/// <param name="ServiceMs">The time each takes a worker; the mean of it when exponential.</param>
/// <param name="Exponential">Whether service times are drawn from an exponential distribution, or all the same.</param>
/// <param name="LoseWorkerPerQueued">One worker fewer for so many that wait, down to one; 0: never. A service that thrashes under load.</param>
/// <param name="Seed">Of the service times.</param>
/// <param name="DeadlineMs">How long those who ask wait; an answer after it is for nobody.</param>
internal sealed record WorkSettings(
    int Workers = 10, double ServiceMs = 50, bool Exponential = false, int LoseWorkerPerQueued = 0, int Seed = 1, double DeadlineMs = 1000);
