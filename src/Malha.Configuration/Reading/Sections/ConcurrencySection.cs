using System.Diagnostics.CodeAnalysis;
using Malha.Configuration.Reading.Shapes;
using Malha.Configuration.Reading.Yaml;
using Malha.Configuration.Validation;
using Malha.Resilience;
using Forms = Malha.Configuration.Reading.Shapes.Shapes;

namespace Malha.Configuration.Reading.Sections;

internal static class ConcurrencySection
{
    private const int Most = 1_000_000;

    private static readonly Section<Policy<ConcurrencyLimitOptions>> Bounds =
        new Section<Policy<ConcurrencyLimitOptions>>("a map: initial, min, max", _ => new(new ConcurrencyLimitOptions()))
        .Optional("initial", Forms.Integer(1, Most), Defaults.LimitInitial, c => c.Value.Initial, (c, v) => new(c.Value with { Initial = v }),
            "Where the adaptive limit starts; it goes lower only when the service shows congestion.")
        .Optional("min", Forms.Integer(1, Most), Defaults.LimitMin, c => c.Value.Min, (c, v) => new(c.Value with { Min = v }),
            "The lowest that the adaptive limit goes.")
        .Optional("max", Forms.Integer(1, Most), Defaults.LimitMax, c => c.Value.Max, (c, v) => new(c.Value with { Max = v }),
            "The highest that the adaptive limit goes.")
        .Checked(PolicyRules.CheckConcurrency);

    public static Shape<Policy<ConcurrencyLimitOptions>?> Shape { get; } = new ConcurrencyShape();

    /// <summary>A word, a number that stands, or the bounds of the adaptive limit. Null is off.</summary>
    private sealed class ConcurrencyShape : Shape<Policy<ConcurrencyLimitOptions>?>
    {
        private static readonly string[] Words = ["adaptive", "off"];
        private static readonly Shape<int> Number = Forms.Integer(1, Most);

        public override string Allowed { get; } = $"adaptive, off, {Number.Allowed}, or {Bounds.Allowed}";

        public override bool TryBind(
            YamlNode node, in KeyPath path, BindContext context, [MaybeNullWhen(false)] out Policy<ConcurrencyLimitOptions>? value)
        {
            value = null;
            if (node is YamlMap)
                return Bounds.TryBind(node, path, context, out value);
            if (node is not YamlText { IsNull: false } text)
            {
                context.WrongKind(node, path, Allowed);
                return false;
            }

            if (text.Value == "off")
                return true;
            if (text.Value == "adaptive")
            {
                value = new(new ConcurrencyLimitOptions());
                return true;
            }

            if (text.Value.AsSpan().IndexOfAnyInRange('0', '9') < 0)
            {
                var suggestion = context.Suggestion.Nearest(text.Value, Words);
                context.Error(node, path, $"{Printable.Quote(text.Value)} is none of the choices", suggestion, Allowed);
                return false;
            }

            if (!Number.TryBind(node, path, context, out var number))
                return false;
            value = new(new ConcurrencyLimitOptions { Fixed = number });
            return true;
        }

        public override void Explain(Policy<ConcurrencyLimitOptions>? value, in Setting setting, List<EffectiveSetting> settings)
        {
            if (value?.Value.Fixed is { } number)
            {
                Number.Explain(number, setting, settings);
                return;
            }

            settings.Add(new EffectiveSetting(setting.Path, value is null ? "off" : "adaptive", setting.Origin));
            if (value is not null)
                Bounds.Explain(value, setting, settings);
        }

        public override ShapeInfo Describe() =>
            new EitherInfo(Allowed, [new ChoiceInfo("adaptive, off", Words), Number.Describe(), Bounds.Describe()]);
    }
}
