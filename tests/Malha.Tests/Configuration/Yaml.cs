using Malha.Configuration;

namespace Malha.Tests.Configuration;

/// <summary>Reads configurations in tests: environment variables and directory are the test's own.</summary>
internal static class Yaml
{
    /// <summary>What every configuration needs, for tests of something else.</summary>
    public const string Edge = "listeners: { edge: { address: 127.0.0.1:0 } }\n";

    public static ConfigResult Read(string text, string? directory = null) =>
        MalhaConfigReader.Read(text, "malha.yaml", new SecretSource(directory ?? Path.GetTempPath(), Variable));

    /// <summary>The configuration; the test fails with the errors when there are any.</summary>
    public static MalhaConfig Good(string text, string? directory = null)
    {
        var result = Read(text, directory);
        Assert.True(result.IsGood, string.Join('\n', result.Errors));
        Assert.Empty(result.Errors);
        return result.Config;
    }

    /// <summary>All errors as they are printed.</summary>
    public static string[] Errors(string text, string? directory = null)
    {
        var result = Read(text, directory);
        Assert.False(result.IsGood);
        Assert.NotEmpty(result.Errors);
        return [.. result.Errors.Select(error => error.ToString())];
    }

    public static string Error(string text, string? directory = null) => Assert.Single(Errors(text, directory));

    private static string? Variable(string name) => name switch
    {
        "MALHA_TOKEN" => "correct-horse",
        "ORDERS_DB_PASSWORD" => "hush",
        "SPACED" => "correct horse",
        "EMPTY" => "",
        "LONG_KEY" => "a-key-of-thirty-two-characters-or-more",
        "WEBHOOK_SECRET" => "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        "KEY_1" => "key-number-one",
        "KEY_2" => "key-number-two",
        "BILLING_KEY" or "BILLING_KEY_NEXT" or "PARTNER_KEY" or "PARTNER_KEY_NEXT" => $"the-{name}",
        _ => null,
    };
}
