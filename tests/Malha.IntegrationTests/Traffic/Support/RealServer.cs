using System.Net.Sockets;
using Malha.IntegrationTests.Harness;

namespace Malha.IntegrationTests.Traffic.Support;

/// <summary>
/// Servers that others have written, each its own process: <c>/echo</c> returns a request's body with its <c>X-Id</c>, <c>/id/…</c> returns its path.
/// </summary>
internal sealed class RealServer : IAsyncDisposable
{
    private const string Node = """
        const http = require('http');
        http.createServer((request, response) => {
          if (request.headers['x-id']) response.setHeader('X-Id', request.headers['x-id']);
          if (request.url.startsWith('/id/')) return response.end(request.url);
          if (request.headers['content-length']) response.setHeader('Content-Length', request.headers['content-length']);
          request.pipe(response);
        }).listen(0, '127.0.0.1', function () { console.log('port ' + this.address().port); });
        """;

    private const string Python = """
        import http.server
        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = 'HTTP/1.1'
            def log_message(self, *arguments): pass
            def body(self):
                if self.headers.get('Transfer-Encoding') != 'chunked':
                    return self.rfile.read(int(self.headers.get('Content-Length') or 0))
                pieces = []
                while True:
                    size = int(self.rfile.readline(), 16)
                    pieces.append(self.rfile.read(size))
                    self.rfile.readline()
                    if size == 0:
                        return b''.join(pieces)
            def do_GET(self):
                body = self.path.encode() if self.path.startswith('/id/') else self.body()
                self.send_response(200)
                self.send_header('X-Id', self.headers.get('X-Id') or '')
                self.send_header('Content-Length', str(len(body)))
                self.end_headers()
                self.wfile.write(body)
            do_POST = do_PUT = do_GET
        class Server(http.server.ThreadingHTTPServer):
            request_queue_size = 512
        server = Server(('127.0.0.1', 0), Handler)
        print('port %d' % server.server_address[1], flush=True)
        server.serve_forever()
        """;

    private readonly ChildProcess _child;
    private readonly DirectoryInfo _folder;

    private RealServer(ChildProcess child, DirectoryInfo folder, int port, string scheme = "http")
    {
        Url = $"{scheme}://127.0.0.1:{port}";
        _child = child;
        _folder = folder;
        Port = port;
    }

    public int Port { get; }

    public string Url { get; }

    /// <summary>Null when the machine has no node.</summary>
    public static Task<RealServer?> StartNodeAsync() => StartAsync("/usr/bin/node", "server.js", Node);

    public static Task<RealServer?> StartPythonAsync() => StartAsync("/usr/bin/python3", "server.py", Python);

    /// <summary>Serves the files of a folder besides, under <c>/files/</c>, and closes a connection after so many requests (1000 is nginx's own default).</summary>
    public static Task<RealServer?> StartNginxAsync(string files, int keepaliveRequests = 1000) => StartNginxAsync($$"""
        keepalive_requests {{keepaliveRequests}};
        location /id/ { return 200 $uri; }
        location /files/ { alias {{files}}/; }
        """, "", "http");

    private static async Task<RealServer?> StartNginxAsync(string server, string listen, string scheme)
    {
        const string Program = "/usr/sbin/nginx";
        if (!File.Exists(Program))
            return null;
        var port = FreePort.Next();
        var folder = Directory.CreateTempSubdirectory("malha-nginx-");
        var own = folder.FullName;
        var path = Path.Combine(own, "nginx.conf");
        await File.WriteAllTextAsync(path, $$"""
            daemon off; user root; worker_processes 1; pid {{own}}/pid; error_log {{own}}/error.log;
            events { worker_connections 1024; }
            http {
              access_log off;
              client_body_temp_path {{own}}/body; proxy_temp_path {{own}}/proxy; fastcgi_temp_path {{own}}/fastcgi;
              uwsgi_temp_path {{own}}/uwsgi; scgi_temp_path {{own}}/scgi;
              client_max_body_size 100m;
              add_header X-Id $http_x_id;
              server {
                listen 127.0.0.1:{{port}}{{listen}};
                {{server}}
              }
            }
            """);
        var child = ChildProcess.Start(Program, ["-c", path], new Dictionary<string, string>(), _ => false);
        await Eventually.HoldsAsync(() => Accepts(port) || !child.IsRunning, "nginx accepts");
        Assert.True(child.IsRunning, child.Output);
        return new RealServer(child, folder, port, scheme);
    }

    /// <summary>Over TLS: answers with the version and whether the session was resumed (<c>r</c>) or not (<c>.</c>), and closes the connection.</summary>
    public static Task<RealServer?> StartSecureNginxAsync(string certificate, string key) => StartNginxAsync("""
        keepalive_timeout 0;
        location / { return 200 "$ssl_protocol $ssl_session_reused"; }
        """, $" ssl; ssl_certificate {certificate}; ssl_certificate_key {key}; ssl_protocols TLSv1.2 TLSv1.3; ssl_session_cache shared:tests:1m", "https");

    public async ValueTask DisposeAsync()
    {
        await _child.DisposeAsync();
        _folder.Delete(recursive: true);
    }

    private static async Task<RealServer?> StartAsync(string program, string name, string script)
    {
        if (!File.Exists(program))
            return null;
        var folder = Directory.CreateTempSubdirectory("malha-server-");
        var path = Path.Combine(folder.FullName, name);
        await File.WriteAllTextAsync(path, script);
        var port = 0;
        var child = ChildProcess.Start(program, [path], new Dictionary<string, string>(), line =>
            line.StartsWith("port ", StringComparison.Ordinal) && int.TryParse(line.AsSpan(5), out port));
        await child.ReadyAsync(Peer.Patience);
        return new RealServer(child, folder, port);
    }

    private static bool Accepts(int port)
    {
        try
        {
            using var client = new TcpClient("127.0.0.1", port);
            return true;
        }
        catch (SocketException)
        {
            return false;
        }
    }
}
