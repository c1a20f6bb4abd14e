using System.Text;
using Malha.Configuration;

namespace Malha.Proxy.Identity;

/// <summary>A class of clients, compiled.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Index">Its place in the file, from 0: the first one is the most important.</param>
/// <param name="Share">What its clients are guaranteed of a service's concurrency, more than 0 and at most 1.</param>
/// <param name="Lend">The part of that, from 0 to 1, which others may use while it is idle.</param>
internal sealed record ClassModel(string Name, int Index, double Share, double Lend)
{
    public byte[] NameBytes { get; } = Encoding.ASCII.GetBytes(Name);

    public static ClassModel[] Compile(ConfigList<ClassConfig> classes) =>
        [.. classes.Select((one, index) => new ClassModel(one.Name, index, one.Share, one.Lend))];
}
