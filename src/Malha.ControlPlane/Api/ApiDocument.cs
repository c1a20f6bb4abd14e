using Microsoft.AspNetCore.OpenApi;
using Microsoft.OpenApi;

namespace Malha.ControlPlane.Api;

/// <summary>What the OpenAPI document says beside the resources themselves.</summary>
internal static class ApiDocument
{
    private const string Description =
        "On loopback reading is free; writing, and everything from elsewhere, needs the token (admin.token, or the file written at the start). "
        + "Durations are in milliseconds (…Ms), sizes in bytes (…Bytes), times in UTC. Lists come in pages. Errors are problem details (RFC 9457).";

    public static void Configure(OpenApiOptions options)
    {
        options.OpenApiVersion = OpenApiSpecVersion.OpenApi3_1;
        options.AddDocumentTransformer((document, _, _) =>
        {
            document.Info = new OpenApiInfo { Title = "Malha admin API", Version = "v1", Description = Description };
            document.Servers = [];
            document.Components ??= new OpenApiComponents();
            document.Components.SecuritySchemes = new Dictionary<string, IOpenApiSecurityScheme>
            {
                ["token"] = new OpenApiSecurityScheme { Type = SecuritySchemeType.Http, Scheme = "bearer", Description = "The admin token." },
            };
            return Task.CompletedTask;
        });
        options.AddOperationTransformer((operation, context, _) =>
        {
            foreach (var parameter in operation.Parameters ?? [])
                parameter.Description = Describe(parameter.Name);
            if (context.Description.HttpMethod is not "GET")
                operation.Security = [new OpenApiSecurityRequirement { [new OpenApiSecuritySchemeReference("token", context.Document)] = [] }];
            return Task.CompletedTask;
        });
    }

    private static string Describe(string? parameter) => parameter switch
    {
        "limit" => $"How many items at most: 1 to {Paging.MaxLimit}, {Paging.DefaultLimit} when absent.",
        "after" => "What the page before gave as `next`; absent: from the beginning.",
        "path" => "Only the settings at this path and below it, such as `services.payments`.",
        "name" or "service" => "The service.",
        "endpoint" => "The endpoint: host and port, or its URL with the slashes escaped.",
        "id" => "The request's id, as in its answer's X-Request-Id and in its problem's `instance`; of an operation its own.",
        "state" => "Only operations in this state: waiting, running, succeeded, dead or cancelled.",
        "client" => "Only what this client has made.",
        "cause" => "Only those that were given up for this: expired, poison, credential-expired, undeliverable or dropped.",
        _ => throw new InvalidOperationException($"the parameter '{parameter}' is not described"),
    };
}
