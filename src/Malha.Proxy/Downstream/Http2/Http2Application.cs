using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Abstractions;
using Microsoft.AspNetCore.Http.Features;

namespace Malha.Proxy.Downstream.Http2;

/// <summary>From Kestrel's requests to our streams. Kestrel keeps its own stream objects for later requests, and ours with them.</summary>
internal sealed class Http2Application(DataPlane plane) : IHttpApplication<Http2Stream>
{
    public Http2Stream CreateContext(IFeatureCollection contextFeatures)
    {
        if (contextFeatures is not IHostContextContainer<Http2Stream> container)
            return new Http2Stream(plane, contextFeatures);
        return container.HostContext ??= new Http2Stream(plane, contextFeatures);
    }

    public Task ProcessRequestAsync(Http2Stream context) => context.RunAsync();

    public void DisposeContext(Http2Stream context, Exception? exception)
    {
        // It has ended itself, and is used again.
    }
}
