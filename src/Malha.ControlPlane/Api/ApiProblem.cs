using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.HttpResults;

namespace Malha.ControlPlane.Api;

/// <summary>Errors of the API as problem details (RFC 9457), with the same kind of type as the gateway's own.</summary>
internal static class ApiProblem
{
    public static ProblemHttpResult Make(int status, string type, string title, string detail) =>
        TypedResults.Problem(detail, statusCode: status, title: title, type: "urn:malha:problem:" + type);

    public static ProblemHttpResult NotFound(string detail) => Make(StatusCodes.Status404NotFound, "not-found", "There is no such resource", detail);

    /// <summary>With all that is wrong in a member `problems`.</summary>
    public static ProblemHttpResult Make(int status, string type, string title, string detail, IEnumerable<string> problems) =>
        TypedResults.Problem(detail, statusCode: status, title: title, type: "urn:malha:problem:" + type, extensions: new Dictionary<string, object?> { ["problems"] = problems.ToArray() });

    /// <summary>Gives answers that the framework leaves empty (404, 405, 400 for a query that cannot be read) their document.</summary>
    public static async Task CompleteAsync(HttpContext context, RequestDelegate next)
    {
        await next(context);
        var response = context.Response;
        if (response.HasStarted || response.StatusCode < 400 || response.ContentType is not null)
            return;
        var problem = response.StatusCode switch
        {
            400 => Make(400, "bad-query", "The query is not understood", "A parameter or the body is not of its type; see /api/v1/openapi.json."),
            404 => NotFound($"Nothing is at {context.Request.Path}; see /api/v1/openapi.json."),
            405 => Make(405, "method-not-allowed", "The resource does not take this method", $"{context.Request.Method} is not among the methods of {context.Request.Path}."),
            var status => Make(status, "refused", "The request was refused", $"Status {status}."),
        };
        await problem.ExecuteAsync(context);
    }
}
