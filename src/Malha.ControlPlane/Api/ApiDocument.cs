using Microsoft.AspNetCore.OpenApi;
using Microsoft.OpenApi;

namespace Malha.ControlPlane.Api;

/// <summary>What the OpenAPI document says beside the resources themselves.</summary>
internal static class ApiDocument
{
    public static void Configure(OpenApiOptions options)
    {
        options.OpenApiVersion = OpenApiSpecVersion.OpenApi3_1;
        options.AddDocumentTransformer((document, _, _) =>
        {
            document.Info = new OpenApiInfo
            {
                Title = "Malha admin API",
                Version = "v1",
                Description = "On loopback reading is free; writing, and everything from elsewhere, needs the token (admin.token, or the file written at the start). "
                    + "Durations are in milliseconds (…Ms), sizes in bytes (…Bytes), times in UTC. Lists come in pages. Errors are problem details (RFC 9457).",
            };
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
            if (context.Description.HttpMethod is not "GET")
                operation.Security = [new OpenApiSecurityRequirement { [new OpenApiSecuritySchemeReference("token", context.Document)] = [] }];
            return Task.CompletedTask;
        });
    }
}
