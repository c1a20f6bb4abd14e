using System.Net;
using System.Net.Sockets;
using Malha.Configuration;
using Malha.Proxy;
using Malha.Proxy.Downstream;
using Malha.Proxy.Telemetry.Logging;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;

namespace Malha.ControlPlane.Api;

/// <summary>
/// The admin API on a server of its own, so that neither waits for the other. Binding its address is quick and is done first, since that can fail;
/// building the server takes a tenth of a second and happens beside the traffic.
/// </summary>
internal sealed class AdminServer : IAsyncDisposable
{
    private const int Backlog = 128;
    private const int MaxConnections = 256;

    private readonly GatewayHost _gateway;
    private readonly Socket[] _sockets;
    private readonly ConfigReloader _reloader;
    private readonly TimeProvider _time;
    private AdminTokenFile? _tokenFile;
    private WebApplication? _app;

    private readonly LaneAccess _lane;

    private AdminServer(GatewayHost gateway, AdminConfig config, Socket[] sockets, ConfigReloader reloader, TimeProvider time, LaneAccess lane)
    {
        _lane = lane;
        _gateway = gateway;
        Config = config;
        _sockets = sockets;
        _reloader = reloader;
        _time = time;
        Address = (IPEndPoint)sockets[0].LocalEndPoint!;
    }

    /// <summary>The settings that it was started with; the token and the hosts of a later configuration hold as well.</summary>
    public AdminConfig Config { get; }

    /// <summary>The address that it is bound to, with the port that it got.</summary>
    public IPEndPoint Address { get; }

    /// <summary>Where the token lies that was made for it; null when the configuration gives one, or it could not be written.</summary>
    public string? TokenFile => _tokenFile?.Path;

    /// <summary>Binds the address. Null with the problem when that is not possible.</summary>
    public static AdminServer? Bind(GatewayHost gateway, AdminConfig config, ConfigReloader reloader, TimeProvider time, LaneAccess lane, out string? problem)
    {
        Socket[] sockets;
        try
        {
            sockets = ListenerSockets.Bind(config.Address, Backlog);
        }
        catch (SocketException exception)
        {
            problem = $"{config.Source}: admin: cannot listen on {config.Address}: {GatewayHost.Describe(exception)}";
            return null;
        }

        problem = null;
        var server = new AdminServer(gateway, config, sockets, reloader, time, lane);
        server.KeepToken(config);
        return server;
    }

    /// <summary>Makes a token when the settings in force give none, and removes it when they do.</summary>
    public void KeepToken(AdminConfig config)
    {
        if ((config.Token is null) == (_tokenFile is not null))
            return;
        if (_tokenFile is { } obsolete)
        {
            _tokenFile = null;
            obsolete.Dispose();
            return;
        }
        var path = AdminTokenFile.PathFor(Address.Port);
        _tokenFile = AdminTokenFile.Write(path, out var problem);
        if (_tokenFile is null)
            _gateway.Telemetry.Events.Warning("admin-token-unwritable", ("path", path), ("problem", problem!), ("consequence", "the admin API changes nothing; set admin.token"));
    }

    /// <summary>Builds the server and starts it.</summary>
    public async Task StartAsync()
    {
        // Nothing from the environment or from files of the current directory: all that holds stands in malha.yaml.
        var builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions { ApplicationName = "malha" });
        builder.WebHost.UseKestrelCore();
        builder.WebHost.ConfigureKestrel(Configure);
        builder.Services.AddSingleton<IConnectionListenerFactory>(new AdminTransport(_sockets, _time));
        builder.Services.Configure<HostOptions>(options => options.ShutdownTimeout = TimeSpan.FromSeconds(2));
        builder.Services.AddRoutingCore();
        builder.Services.ConfigureHttpJsonOptions(options =>
        {
            options.SerializerOptions.TypeInfoResolverChain.Insert(0, ApiJson.Default);
            options.SerializerOptions.RespectNullableAnnotations = true;
            options.SerializerOptions.RespectRequiredConstructorParameters = true;
            options.SerializerOptions.NumberHandling = System.Text.Json.Serialization.JsonNumberHandling.Strict;
        });
        // A lambda: the generator that brings our own comments into the document looks for one.
        builder.Services.AddOpenApi(options => ApiDocument.Configure(options));
        builder.Services.AddSingleton(_gateway);
        builder.Services.AddSingleton(_reloader);
        builder.Services.AddSingleton(_time);
        builder.Services.AddSingleton(_lane);
        builder.Services.AddSingleton<EventStream>();

        _app = builder.Build();
        _app.Use(next => context => GuardAsync(context, next));
        _app.Use(next => context => ApiProblem.CompleteAsync(context, next));
        _app.UseRouting();
        GatewayEndpoints.Map(_app);
        ClientEndpoints.Map(_app);
        PolicyEndpoints.Map(_app);
        ConfigEndpoints.Map(_app);
        DecisionEndpoints.Map(_app);
        OperationEndpoints.Map(_app);
        DeadLetterEndpoints.Map(_app);
        EventStream.Map(_app);
        _app.MapOpenApi("/api/v1/openapi.json");
        await _app.StartAsync();
        EventField[] fields = [("listener", "admin"), ("address", Address.ToString())];
        _gateway.Telemetry.Events.Info("listening", TokenFile is { } path ? [.. fields, ("tokenFile", path)] : fields);
    }

    public async ValueTask DisposeAsync()
    {
        if (_app is not null)
        {
            // First stopped, so that streams end in order.
            await _app.StopAsync();
            await _app.DisposeAsync();
        }
        foreach (var socket in _sockets)
            socket.Dispose();
        _tokenFile?.Dispose();
    }

    private void Configure(KestrelServerOptions options)
    {
        options.AddServerHeader = false;
        options.Limits.MaxConcurrentConnections = MaxConnections;
        options.Limits.MaxRequestBodySize = 1024 * 1024;
        options.Limits.RequestHeadersTimeout = Defaults.HeaderTimeout.Value;
        foreach (var socket in _sockets)
            options.Listen((IPEndPoint)socket.LocalEndPoint!, listen => listen.Protocols = HttpProtocols.Http1);
    }

    private async Task GuardAsync(HttpContext context, RequestDelegate next)
    {
        // A reload may have changed the token and the hosts; where they are gone, those of the start hold until the server is.
        var config = _gateway.Plane.Model.Config.Admin ?? Config;
        try
        {
            await AdminGate.PassAsync(context, next, config, config.Token ?? _tokenFile?.Token);
        }
        catch (Exception exception) when (!context.RequestAborted.IsCancellationRequested)
        {
            _gateway.Telemetry.Events.Error("bug", ("where", $"admin {context.Request.Method} {context.Request.Path}"), ("exception", exception.ToString()));
            if (context.Response.HasStarted)
                context.Abort();
            else
                await ApiProblem.Make(500, "internal", "The admin API failed", "The log says more.").ExecuteAsync(context);
        }
    }
}
