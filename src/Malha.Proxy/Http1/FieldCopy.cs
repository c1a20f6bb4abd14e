using Malha.Proxy.Routing;

namespace Malha.Proxy.Http1;

/// <summary>Copies the field lines that pass a hop, whole runs of them at once.</summary>
internal static class FieldCopy
{
    /// <param name="writer">Has room for the whole head.</param>
    /// <param name="head">Where the fields are.</param>
    /// <param name="drop">Bits of the known headers that do not pass.</param>
    /// <param name="edits">What the route leaves out besides; what it adds is written by the caller, at the end.</param>
    /// <param name="hidden">Names of further fields that do not pass.</param>
    public static void Write(ref HeadWriter writer, MessageHead head, ulong drop, HeaderEditModel edits, ReadOnlySpan<byte[]> hidden = default)
    {
        var fields = head.Fields;
        var run = -1;
        for (var index = 0; index < fields.Length; index++)
        {
            ref readonly var field = ref fields[index];
            if (Passes(head, field, drop, edits, hidden))
            {
                if (run < 0)
                    run = field.Name.Start;
            }
            else if (run >= 0)
            {
                writer.Write(head.Range(run, field.Name.Start));
                run = -1;
            }
        }
        if (run >= 0)
            writer.Write(head.Range(run, head.Position - 2));
    }

    private static bool Passes(MessageHead head, in HeaderField field, ulong drop, HeaderEditModel edits, ReadOnlySpan<byte[]> hidden)
    {
        if (field.Known != KnownHeader.Other && field.Known.In(drop))
            return false;
        if (!edits.IsEmpty && edits.Drops(field.Known, head.Bytes(field.Name)))
            return false;
        if (field.Known == KnownHeader.Other)
        {
            foreach (var name in hidden)
            {
                if (HttpSyntax.EqualsIgnoreCase(head.Bytes(field.Name), name))
                    return false;
            }
        }
        return !head.NominatesFields || !head.IsNominated(head.Bytes(field.Name));
    }
}
