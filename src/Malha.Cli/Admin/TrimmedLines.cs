using System.Text;

namespace Malha.Cli.Admin;

/// <summary>Leaves out the blanks at the ends of lines, with which tables fill their last column: what is written to a file is compared and copied from.</summary>
internal sealed class TrimmedLines(TextWriter inner) : TextWriter
{
    private int _blanks;

    public override Encoding Encoding => inner.Encoding;

    public override void Write(char value)
    {
        if (value == ' ')
        {
            _blanks++;
            return;
        }
        if (value is not ('\r' or '\n'))
        {
            for (var blank = 0; blank < _blanks; blank++)
                inner.Write(' ');
        }
        _blanks = 0;
        inner.Write(value);
    }

    public override void Flush() => inner.Flush();
}
