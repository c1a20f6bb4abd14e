using System.Net.Sockets;

namespace Malha.IntegrationTests.Harness;

/// <summary>Debian's nginx or HAProxy as a plain reverse proxy: keep-alive to the upstream, one worker, the client's Host handed on.</summary>
internal sealed class PeerProcess : ProxyUnderTest
{
    private readonly DirectoryInfo _folder;
    private readonly ChildProcess _child;

    private PeerProcess(string name, int port, DirectoryInfo folder, ChildProcess child)
    {
        Name = name;
        Port = port;
        _folder = folder;
        _child = child;
    }

    public override string Name { get; }

    public override int Port { get; }

    public override string Output => _child.Output;

    public override bool IsRunning => _child.IsRunning;

    public static bool HasNginx => File.Exists("/usr/sbin/nginx");

    public static Task<PeerProcess> StartNginxAsync(Uri upstream) => StartAsync("nginx", (port, folder) => $$"""
        daemon off; user root; worker_processes 1; pid {{folder}}/pid; error_log {{folder}}/error.log;
        events { worker_connections 1024; }
        http {
          access_log off;
          client_body_temp_path {{folder}}/body; proxy_temp_path {{folder}}/proxy; fastcgi_temp_path {{folder}}/fastcgi;
          uwsgi_temp_path {{folder}}/uwsgi; scgi_temp_path {{folder}}/scgi;
          map $http_host $upstream_host { "" $proxy_host; default $http_host; }
          upstream origin { server {{upstream.Authority}}; keepalive 16; }
          server {
            listen 127.0.0.1:{{port}};
            location / { proxy_pass http://origin; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_set_header Host $upstream_host; }
          }
        }
        """, file => ["-c", file]);

    public static Task<PeerProcess> StartHaproxyAsync(Uri upstream) => StartAsync("haproxy", (port, _) => $"""
        global
          nbthread 1
        defaults
          mode http
          timeout connect 5s
          timeout client 30s
          timeout server 30s
          http-reuse always
        frontend edge
          bind 127.0.0.1:{port}
          default_backend origin
        backend origin
          server one {upstream.Authority}

        """, file => ["-db", "-f", file]);

    public override async ValueTask DisposeAsync()
    {
        await _child.DisposeAsync();
        _folder.Delete(recursive: true);
    }

    private static async Task<PeerProcess> StartAsync(string name, Func<int, string, string> configuration, Func<string, string[]> arguments)
    {
        var port = FreePort.Next();
        var folder = Directory.CreateTempSubdirectory("malha-peer-");
        var file = Path.Combine(folder.FullName, "peer.conf");
        await File.WriteAllTextAsync(file, configuration(port, folder.FullName));
        var child = ChildProcess.Start($"/usr/sbin/{name}", arguments(file), new Dictionary<string, string>(), _ => false);
        var peer = new PeerProcess(name, port, folder, child);
        await peer.AcceptsAsync();
        return peer;
    }

    private async Task AcceptsAsync()
    {
        using var timer = new PeriodicTimer(TimeSpan.FromMilliseconds(20));
        for (var attempt = 0; attempt < 250 && IsRunning; attempt++)
        {
            try
            {
                using var client = new TcpClient();
                await client.ConnectAsync("127.0.0.1", Port);
                return;
            }
            catch (SocketException)
            {
                await timer.WaitForNextTickAsync();
            }
        }
        throw new InvalidOperationException($"{Name} did not start:\n{Output}");
    }
}
