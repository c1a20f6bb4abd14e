using System.Text.Json;
using System.Text.Json.Nodes;
using Malha.Configuration;
using Malha.Configuration.Reading;
using Malha.Configuration.Reading.Sections;
using Malha.Configuration.Reading.Shapes;
using Malha.Configuration.Reading.Yaml;
using NJsonSchema;

namespace Malha.Tests.Configuration;

public sealed class MalhaSchemaTests
{
    private const string Service = "services: { a: { endpoints: [127.0.0.1:7001], %% } }";
    private const string Route = "services: { a: { endpoints: [127.0.0.1:7001] } }\nroutes: [{ service: a, %% }]";

    /// <summary>A value for every key of every section. A key that is missing here fails a test below.</summary>
    public static TheoryData<string, string> Samples => new()
    {
        { "listeners.NAME.address", "listeners: { a: { address: \"[::1]:8080\" } }" },
        { "listeners.NAME.trustedProxies", Listener("trustedProxies: [10.0.0.0/8, \"fd00::/8\", 192.0.2.1]") },
        { "listeners.NAME.maxConnections", Listener("maxConnections: 5") },
        { "listeners.NAME.headerTimeout", Listener("headerTimeout: 1.5s") },
        { "listeners.NAME.idleTimeout", Listener("idleTimeout: 1m") },
        { "listeners.NAME.bodyTimeout", Listener("bodyTimeout: 250ms") },
        { "listeners.NAME.minBodyRate", Listener("minBodyRate: off") },
        { "listeners.NAME.minBodyRate", Listener("minBodyRate: 1KiB/s") },
        { "listeners.NAME.maxHeaderSize", Listener("maxHeaderSize: 16KiB") },
        { "listeners.NAME.maxHeaders", Listener("maxHeaders: 10") },
        { "listeners.NAME.tls.certificate", Listener("tls: { certificate: file:cert.pem, key: file:key.pem }") },
        { "listeners.NAME.tls.key", Listener("tls: { certificate: file:cert.pem, key: file:key.pem }") },
        { "listeners.NAME.tls.certificates.certificate", Listener("tls: { certificates: [{ certificate: file:cert.pem, key: file:key.pem }] }") },
        { "listeners.NAME.tls.certificates.key", Listener("tls: { certificates: [{ certificate: file:cert.pem, key: file:key.pem }] }") },
        { "listeners.NAME.tls.clientCa", Listener("tls: { certificate: file:cert.pem, key: file:key.pem, clientCa: file:cert.pem }") },
        { "listeners.NAME.tls.minVersion", Listener("tls: { certificate: file:cert.pem, key: file:key.pem, minVersion: TLSv1.3 }") },
        { "listeners.NAME.tls.handshakeTimeout", Listener("tls: { certificate: file:cert.pem, key: file:key.pem, handshakeTimeout: 5s }") },
        { "listeners.NAME.tls.maxHandshakes", Listener("tls: { certificate: file:cert.pem, key: file:key.pem, maxHandshakes: 10 }") },
        { "admin", Yaml.Edge + "admin: {}" },
        { "admin.address", Yaml.Edge + "admin: { address: localhost:9700 }" },
        { "admin.token", Yaml.Edge + "admin: { token: env:MALHA_TOKEN }" },
        { "admin.allowedHosts", Yaml.Edge + "admin: { allowedHosts: [a.example, \"[::1]\"] }" },
        { "clients", Yaml.Edge + "clients: {}" },
        { "clients.NAME.apiKey", Client("apiKey: env:MALHA_TOKEN") },
        { "clients.NAME.apiKey", Client("apiKey: [env:MALHA_TOKEN, file:api.key]") },
        { "clients.NAME.header.name", Client("header: { name: X-Tenant, value: 7 }") },
        { "clients.NAME.header.value", Client("header: { name: X-Tenant, value: env:MALHA_TOKEN }") },
        { "clients.NAME.address", Client("address: [10.0.0.0/8, \"2001:db8::/32\"]") },
        { "clients.NAME.any", Client("any: true") },
        { "clients.NAME.class", Yaml.Edge + "classes: { batch: { share: 10% } }\nclients: { a: { any: true, class: batch } }" },
        { "clients.NAME.limit", Client("any: true, limit: 100/s") },
        { "clients.NAME.limit.rate", Client("any: true, limit: { rate: 0.5/s }") },
        { "clients.NAME.limit.burst", Client("any: true, limit: [{ rate: 60/min, burst: 5 }, 1000/h]") },
        { "clients.NAME.limit.per", Client("any: true, limit: { rate: 60/min, per: ip }") },
        { "clients.NAME.limit.cost", Client("any: true, limit: { rate: 60/min, cost: 3 }") },
        { "clients.NAME.forwardCredentials", Client("apiKey: env:MALHA_TOKEN, forwardCredentials: true") },
        { "classes", Yaml.Edge + "classes: {}" },
        { "classes.NAME.share", Yaml.Edge + "classes: { a: { share: 100% } }" },
        { "classes.NAME.lend", Yaml.Edge + "classes: { a: { share: 50%, lend: 50% } }" },
        { "trustedMalha", Yaml.Edge + "trustedMalha: [10.0.0.0/8]" },
        { "services", Yaml.Edge + "services: {}" },
        { "services.NAME.endpoints", Yaml.Edge + "services: { a: { endpoints: [https://a.example] } }" },
        { "services.NAME.endpoints.url", Yaml.Edge + "services: { a: { endpoints: [{ url: \"a:80\" }] } }" },
        { "services.NAME.endpoints.weight", Yaml.Edge + "services: { a: { endpoints: [{ url: http://a, weight: 2 }] } }" },
        { "services.NAME.endpoints.url", Yaml.Edge + "services: { a: { endpoints: [\"postgres://u:p@db:5433/orders\"], health: {} } }" },
        { "services.NAME.endpoints.url", Yaml.Edge + "services: { a: { endpoints: [rediss://cache.example], health: {} } }" },
        { "services.NAME.endpoints.password", Yaml.Edge + "services: { a: { endpoints: [{ url: redis://cache, password: env:MALHA_TOKEN }], health: {} } }" },
        { "services.NAME.protocol", In(Service, "protocol: http2") },
        { "services.NAME.balance", In(Service, "balance: round-robin") },
        { "services.NAME.hashOn", In(Service, "balance: consistent-hash, hashOn: \"header:X-User\"") },
        { "services.NAME.timeout", In(Service, "timeout: 2s") },
        { "services.NAME.attemptTimeout", In(Service, "attemptTimeout: 2s") },
        { "services.NAME.connectTimeout", In(Service, "connectTimeout: 2s") },
        { "services.NAME.idleTimeout", In(Service, "idleTimeout: 2s") },
        { "services.NAME.maxConnections", In(Service, "maxConnections: 1") },
        { "services.NAME.maxPending", In(Service, "maxPending: 0") },
        { "services.NAME.maxBody", In(Service, "maxBody: off") },
        { "services.NAME.maxDuration", In(Service, "maxDuration: 1h") },
        { "services.NAME.maxStreams", In(Service, "maxStreams: 3") },
        { "services.NAME.capacity", In(Service, "capacity: 100/s") },
        { "services.NAME.capacity.rate", In(Service, "capacity: { rate: 0.5/s }") },
        { "services.NAME.capacity.burst", In(Service, "capacity: { rate: 60/min, burst: 120 }") },
        { "services.NAME.concurrency", In(Service, "concurrency: adaptive") },
        { "services.NAME.concurrency", In(Service, "concurrency: off") },
        { "services.NAME.concurrency", In(Service, "concurrency: 50") },
        { "services.NAME.concurrency.initial", In(Service, "concurrency: { initial: 10 }") },
        { "services.NAME.concurrency.min", In(Service, "concurrency: { min: 10 }") },
        { "services.NAME.concurrency.max", In(Service, "concurrency: { max: 100 }") },
        { "services.NAME.throttle", In(Service, "throttle: off") },
        { "services.NAME.throttle.below", In(Service, "throttle: { below: 80% }") },
        { "services.NAME.throttle.window", In(Service, "throttle: { window: 30s }") },
        { "services.NAME.retry", In(Service, "retry: off") },
        { "services.NAME.retry", In(Service, "retry: {}") },
        { "services.NAME.retry.attempts", In(Service, "retry: { attempts: 20 }") },
        { "services.NAME.retry.backoff", In(Service, "retry: { backoff: exponential-jitter }") },
        { "services.NAME.retry.base", In(Service, "retry: { base: 1.5s }") },
        { "services.NAME.retry.max", In(Service, "retry: { max: 1m }") },
        { "services.NAME.retry.budget", In(Service, "retry: { budget: 10% }") },
        { "services.NAME.retry.budget.ratio", In(Service, "retry: { budget: { ratio: 0% } }") },
        { "services.NAME.retry.budget.floor", In(Service, "retry: { budget: { floor: 30/min } }") },
        { "services.NAME.retry.budget.floor", In(Service, "retry: { budget: { floor: off } }") },
        { "services.NAME.hedge", In(Service, "hedge: off") },
        { "services.NAME.hedge.delay", In(Service, "hedge: { delay: 100ms }") },
        { "services.NAME.hedge.delay", In(Service, "hedge: { delay: p95 }") },
        { "services.NAME.hedge.hedges", In(Service, "hedge: { hedges: 2 }") },
        { "services.NAME.breaker", In(Service, "breaker: off") },
        { "services.NAME.breaker.failures", In(Service, "breaker: { failures: 12.5% }") },
        { "services.NAME.breaker.failures", In(Service, "breaker: { failures: off }") },
        { "services.NAME.breaker.consecutive", In(Service, "breaker: { consecutive: 1 }") },
        { "services.NAME.breaker.consecutive", In(Service, "breaker: { consecutive: off }") },
        { "services.NAME.breaker.slow", In(Service, "breaker: { slow: off }") },
        { "services.NAME.breaker.slow.over", In(Service, "breaker: { slow: { over: 1s } }") },
        { "services.NAME.breaker.slow.rate", In(Service, "breaker: { slow: { over: 1s, rate: 100% } }") },
        { "services.NAME.breaker.window", In(Service, "breaker: { window: 100ms }") },
        { "services.NAME.breaker.minimum", In(Service, "breaker: { minimum: 1 }") },
        { "services.NAME.breaker.open", In(Service, "breaker: { open: 5s }") },
        { "services.NAME.breaker.open", In(Service, "breaker: { open: 1.5s..10m }") },
        { "services.NAME.breaker.probes", In(Service, "breaker: { probes: 64 }") },
        { "services.NAME.breaker.successes", In(Service, "breaker: { successes: 3 }") },
        { "services.NAME.breaker.ramp", In(Service, "breaker: { ramp: 10s }") },
        { "services.NAME.breaker.ramp", In(Service, "breaker: { ramp: off }") },
        { "services.NAME.tls", Tls("") },
        { "services.NAME.tls.ca", Tls("ca: file:cert.pem") },
        { "services.NAME.tls.certificate", Tls("certificate: file:cert.pem, key: file:key.pem") },
        { "services.NAME.tls.key", Tls("certificate: file:cert.pem, key: file:key.pem") },
        { "services.NAME.tls.serverName", Tls("serverName: a.example") },
        { "services.NAME.tls.verify", Tls("verify: false") },
        { "services.NAME.health.path", In(Service, "health: { path: /health?full=1 }") },
        { "services.NAME.health.expect", In(Service, "health: { path: /health, expect: {} }") },
        { "services.NAME.health.expect.status", Expect("status: 204") },
        { "services.NAME.health.expect.status", Expect("status: [2xx, 401]") },
        { "services.NAME.health.expect.headers", Expect("headers: { A: a }") },
        { "services.NAME.health.expect.headers.exact", Expect("headers: { A: { exact: a } }") },
        { "services.NAME.health.expect.headers.prefix", Expect("headers: { A: { prefix: a } }") },
        { "services.NAME.health.expect.headers.present", Expect("headers: { A: { present: true } }") },
        { "services.NAME.health.expect.body", Expect("body: ok") },
        { "services.NAME.health.expect.json", Expect("json: { $.status: Healthy, \"$.a['b c'][-1]\": 2, $: true }") },
        { "services.NAME.health.expect.json.exact", Expect("json: { $.a: { exact: a } }") },
        { "services.NAME.health.expect.json.prefix", Expect("json: { $.a: { prefix: a } }") },
        { "services.NAME.health.expect.json.present", Expect("json: { $.a: { present: false } }") },
        { "services.NAME.health.expect.within", Expect("within: 200ms") },
        { "services.NAME.health.steps", Step("") },
        { "services.NAME.health.steps.path", Step("") },
        { "services.NAME.health.steps.method", Step("method: POST") },
        { "services.NAME.health.steps.headers", Step("headers: { Authorization: env:MALHA_TOKEN }") },
        { "services.NAME.health.steps.body", Step("body: 1") },
        { "services.NAME.health.steps.expect.status", Step("expect: { status: 2xx }") },
        { "services.NAME.health.steps.expect.headers.exact", Step("expect: { headers: { A: { exact: a } } }") },
        { "services.NAME.health.steps.expect.headers.prefix", Step("expect: { headers: { A: { prefix: a } } }") },
        { "services.NAME.health.steps.expect.headers.present", Step("expect: { headers: { A: { present: true } } }") },
        { "services.NAME.health.steps.expect.body", Step("expect: { body: ok }") },
        { "services.NAME.health.steps.expect.json.exact", Step("expect: { json: { $.a: { exact: a } } }") },
        { "services.NAME.health.steps.expect.json.prefix", Step("expect: { json: { $.a: { prefix: a } } }") },
        { "services.NAME.health.steps.expect.json.present", Step("expect: { json: { $.a: { present: false } } }") },
        { "services.NAME.health.steps.expect.within", Step("expect: { within: 200ms }") },
        { "services.NAME.health.grpc", In(Service, "health: { grpc: \"\", expect: { within: 10ms } }") },
        { "services.NAME.health.grpc", In(Service, "health: { grpc: shop.Orders }") },
        { "services.NAME.health.tcp", In(Service, "health: { tcp: true }") },
        { "services.NAME.health.query", Yaml.Edge + "services: { a: { endpoints: [postgres://db], health: { query: \"select count(*) from t\" } } }" },
        { "services.NAME.health.every", In(Service, "health: { tcp: true, every: 1m }") },
        { "services.NAME.health.timeout", In(Service, "health: { tcp: true, timeout: 200ms }") },
        { "services.NAME.health.rise", In(Service, "health: { tcp: true, rise: 1 }") },
        { "services.NAME.health.fall", In(Service, "health: { tcp: true, fall: 5 }") },
        { "services.NAME.health.slowStart", In(Service, "health: { tcp: true, slowStart: off }") },
        { "services.NAME.health.ejection", In(Service, "health: { ejection: false }") },
        { "services.NAME.health.dependsOn", Yaml.Edge + "services: { db: { endpoints: [postgres://db], health: {} }, a: { endpoints: [a:1], health: { tcp: true, dependsOn: [db] } } }" },
        { "routes", Yaml.Edge + "routes: []" },
        { "dns.resolvers", Yaml.Edge + "dns: { resolvers: [10.0.0.53, \"[::1]:5353\"] }" },
        { "dns.timeout", Yaml.Edge + "dns: { timeout: 1s }" },
        { "dns.minTtl", Yaml.Edge + "dns: { minTtl: 1s }" },
        { "dns.maxTtl", Yaml.Edge + "dns: { maxTtl: 1h }" },
        { "services.NAME.endpoints.url", Yaml.Edge + "services: { a: { endpoints: [\"dns://a.example:80\", \"dns+https://b.example:443\", { url: \"srv://_http._tcp.a.example\" }] } }" },
        { "routes.name", In(Route, "name: r1") },
        { "routes.match", In(Route, "match: {}") },
        { "routes.match.host", In(Route, "match: { host: \"*.example\" }") },
        { "routes.match.path", In(Route, "match: { path: \"/a/{b}/**\" }") },
        { "routes.match.methods", In(Route, "match: { methods: [GET] }") },
        { "routes.match.headers", In(Route, "match: { headers: { A: 1, B: true, C: c } }") },
        { "routes.match.headers.exact", In(Route, "match: { headers: { A: { exact: a } } }") },
        { "routes.match.headers.prefix", In(Route, "match: { headers: { A: { prefix: a } } }") },
        { "routes.match.headers.present", In(Route, "match: { headers: { A: { present: true } } }") },
        { "routes.match.query", In(Route, "match: { query: { A: a } }") },
        { "routes.match.query.exact", In(Route, "match: { query: { A: { exact: 1 } } }") },
        { "routes.match.query.prefix", In(Route, "match: { query: { A: { prefix: a } } }") },
        { "routes.match.query.present", In(Route, "match: { query: { A: { present: false } } }") },
        { "routes.service", In(Route, "") },
        { "routes.split", Yaml.Edge + "services: { a: { endpoints: [127.0.0.1:1] }, b: { endpoints: [127.0.0.1:2] } }\nroutes: [{ split: { a: 99.5%, b: 0.5% } }]" },
        { "routes.splitOn", Yaml.Edge + "services: { a: { endpoints: [127.0.0.1:1] }, b: { endpoints: [127.0.0.1:2] } }\nroutes: [{ split: { a: 90%, b: 10% }, splitOn: cookie:sid }]" },
        { "routes.mirror.service", Yaml.Edge + "services: { a: { endpoints: [127.0.0.1:1] }, b: { endpoints: [127.0.0.1:2] } }\nroutes: [{ service: a, mirror: { service: b } }]" },
        { "routes.mirror.share", Yaml.Edge + "services: { a: { endpoints: [127.0.0.1:1] }, b: { endpoints: [127.0.0.1:2] } }\nroutes: [{ service: a, mirror: { service: b, share: 1% } }]" },
        { "routes.mirror.most", Yaml.Edge + "services: { a: { endpoints: [127.0.0.1:1] }, b: { endpoints: [127.0.0.1:2] } }\nroutes: [{ service: a, mirror: { service: b, most: 5 } }]" },
        { "routes.idleTimeout", In(Route, "idleTimeout: 1h") },
        { "routes.maxDuration", In(Route, "maxDuration: off") },
        { "routes.maxBody", In(Route, "maxBody: 1GB") },
        { "routes.rewrite.prefix", In(Route, "match: { path: /a/** }, rewrite: { prefix: /b }") },
        { "routes.rewrite.path", In(Route, "rewrite: { path: \"/b{path}\" }") },
        { "routes.rewrite.host", In(Route, "rewrite: { host: \"{endpoint}\" }") },
        { "routes.redirect.to", Yaml.Edge + "routes: [{ redirect: { to: \"/new{path}\" } }]" },
        { "routes.redirect.status", Yaml.Edge + "routes: [{ redirect: { to: /, status: 301 } }]" },
        { "routes.respond", Yaml.Edge + "routes: [{ respond: {} }]" },
        { "routes.respond.status", Yaml.Edge + "routes: [{ respond: { status: 404 } }]" },
        { "routes.respond.body", Yaml.Edge + "routes: [{ respond: { body: x } }]" },
        { "routes.respond.contentType", Yaml.Edge + "routes: [{ respond: { contentType: text/html } }]" },
        { "routes.respond.headers", Yaml.Edge + "routes: [{ respond: { headers: { A: 1, B: [x, y] } } }]" },
        { "routes.headers", In(Route, "headers: {}") },
        { "routes.headers.request.add", In(Route, "headers: { request: { add: { A: a } } }") },
        { "routes.headers.request.set", In(Route, "headers: { request: { set: { Host: a.example:80 } } }") },
        { "routes.headers.request.remove", In(Route, "headers: { request: { remove: [A] } }") },
        { "routes.headers.response.add", In(Route, "headers: { response: { add: { A: [a, b] } } }") },
        { "routes.headers.response.set", In(Route, "headers: { response: { set: { A: env:MALHA_TOKEN } } }") },
        { "routes.headers.response.remove", In(Route, "headers: { response: { remove: [A] } }") },
        { "routes.auth", Yaml.Edge + "clients: { a: { address: [10.0.0.1] } }\n" + In(Route, "auth: required")[Yaml.Edge.Length..] },
        { "routes.allow", Yaml.Edge + "clients: { a: { address: [10.0.0.1] } }\n" + In(Route, "allow: [a]")[Yaml.Edge.Length..] },
        { "routes.limit", In(Route, "limit: off") },
        { "routes.limit", In(Route, "limit: [10/s, 100/min]") },
        { "routes.limit.rate", In(Route, "limit: { rate: 10/s }") },
        { "routes.limit.burst", In(Route, "limit: { rate: 10/s, burst: 2 }") },
        { "routes.limit.per", In(Route, "limit: { rate: 10/s, per: client }") },
        { "routes.limit.cost", In(Route, "limit: { rate: 10/s, cost: 2 }") },
        { "routes.timeout", In(Route, "timeout: 1s") },
        { "routes.attemptTimeout", In(Route, "attemptTimeout: 1s") },
        { "routes.retry", In(Route, "retry: off") },
        { "routes.retry", In(Route, "retry: {}") },
        { "routes.retry.attempts", In(Route, "retry: { attempts: 2 }") },
        { "routes.retry.backoff", In(Route, "retry: { backoff: none }") },
        { "routes.retry.base", In(Route, "retry: { base: 10ms }") },
        { "routes.retry.max", In(Route, "retry: { max: 100ms }") },
        { "routes.hedge", In(Route, "hedge: off") },
        { "routes.hedge.delay", In(Route, "hedge: { delay: p95 }") },
        { "routes.hedge.hedges", In(Route, "hedge: { hedges: 4 }") },
        { "routes.bufferRequests", In(Route, "bufferRequests: 64KiB") },
        { "limits", Yaml.Edge + "limits: { shared: \"redis://127.0.0.1\" }" },
        { "limits.shared", Yaml.Edge + "limits: { shared: \"rediss://user@redis.example:6380\" }" },
        { "limits.password", Yaml.Edge + "limits: { shared: \"redis://127.0.0.1\", password: env:KEY_1 }" },
        { "limits.mode", Yaml.Edge + "limits: { shared: \"redis://127.0.0.1\", mode: exact }" },
        { "limits.mode", Yaml.Edge + "limits: { shared: \"redis://127.0.0.1\", mode: leases }" },
        { "limits.timeout", Yaml.Edge + "limits: { shared: \"redis://127.0.0.1\", timeout: 20ms }" },
        { "telemetry", Yaml.Edge + "telemetry: { endpoint: \"http://127.0.0.1:4318\" }" },
        { "telemetry.endpoint", Yaml.Edge + "telemetry: { endpoint: \"https://collector.example/otlp\" }" },
        { "telemetry.protocol", Yaml.Edge + "telemetry: { endpoint: \"http://127.0.0.1:4318\", protocol: grpc }" },
        { "telemetry.protocol", Yaml.Edge + "telemetry: { endpoint: \"http://127.0.0.1:4318\", protocol: http/protobuf }" },
        { "telemetry.headers", Yaml.Edge + "telemetry: { endpoint: \"http://127.0.0.1:4318\", headers: { X-Key: env:KEY_1 } }" },
        { "telemetry.timeout", Yaml.Edge + "telemetry: { endpoint: \"http://127.0.0.1:4318\", timeout: 5s }" },
        { "telemetry.sample", Yaml.Edge + "telemetry: { endpoint: \"http://127.0.0.1:4318\", sample: 10% }" },
        { "telemetry.interval", Yaml.Edge + "telemetry: { endpoint: \"http://127.0.0.1:4318\", interval: 15s }" },
        { "telemetry.service", Yaml.Edge + "telemetry: { endpoint: \"http://127.0.0.1:4318\", service: edge-gateway }" },
        { "telemetry.instance", Yaml.Edge + "telemetry: { endpoint: \"http://127.0.0.1:4318\", instance: a-1 }" },
        { "telemetry.attributes", Yaml.Edge + "telemetry: { endpoint: \"http://127.0.0.1:4318\", attributes: { deployment.environment.name: test } }" },
        { "protection", Yaml.Edge + "protection: {}" },
        { "protection.memory", Yaml.Edge + "protection: { memory: 512MiB }" },
        { "protection.memory", Yaml.Edge + "protection: { memory: 60% }" },
        { "protection.memory", Yaml.Edge + "protection: { memory: off }" },
        { "protection.connections", Yaml.Edge + "protection: { connections: 20 }" },
        { "protection.connections", Yaml.Edge + "protection: { connections: off }" },
        { "protection.files", Yaml.Edge + "protection: { files: 80% }" },
        { "protection.files", Yaml.Edge + "protection: { files: off }" },
        { "protection.buffers", Yaml.Edge + "protection: { buffers: 1MiB }" },
        { "protection.buffers", Yaml.Edge + "protection: { buffers: off }" },
        { "accessLog", Yaml.Edge + "accessLog: {}" },
        { "accessLog.format", Yaml.Edge + "accessLog: { format: text }" },
        { "accessLog.sample", Yaml.Edge + "accessLog: { sample: 0.1% }" },
        { "delivery.path", Delivery("engine: embedded") },
        { "delivery.engine", Delivery("engine: embedded") },
        { "delivery.maxBody", Delivery("maxBody: 64KiB") },
        { "delivery.credentialKeys", Delivery("credentialKeys: env:LONG_KEY") },
        { "delivery.credentialKeys", Delivery("credentialKeys: [env:LONG_KEY]") },
        { "delivery.attempts", Delivery("attempts: 3") },
        { "delivery.backoff", Delivery("backoff: 1s") },
        { "delivery.backoff", Delivery("backoff: 1s..2h") },
        { "delivery.retention", Delivery("retention: 48h") },
        { "delivery.deadLetterRetention", Delivery("deadLetterRetention: 720h") },
        { "delivery.minFree", Delivery("minFree: 1GiB") },
        { "delivery.engine", Delivery("engine: kafka, kafka: { bootstrap: broker:9092 }") },
        { "delivery.kafka", Kafka("replication: 3") },
        { "delivery.kafka.bootstrap", Delivery("engine: kafka, kafka: { bootstrap: [broker:9092, \"[::1]:9092\"] }") },
        { "delivery.kafka.replication", Kafka("replication: 1, minInsync: 1") },
        { "delivery.kafka.minInsync", Kafka("minInsync: 2") },
        { "delivery.kafka.login", Kafka("login: { user: malha, password: env:LONG_KEY }") },
        { "delivery.kafka.login.user", Kafka("login: { user: malha, password: env:LONG_KEY }") },
        { "delivery.kafka.login.password", Kafka("login: { user: malha, password: env:LONG_KEY }") },
        { "delivery.kafka.login.mechanism", Kafka("login: { user: malha, password: env:LONG_KEY, mechanism: scram-sha-256 }") },
        { "delivery.kafka.tls", Kafka("tls: {}") },
        { "delivery.kafka.tls.ca", Kafka("tls: { ca: file:cert.pem }") },
        { "delivery.kafka.tls.certificate", Kafka("tls: { certificate: file:cert.pem, key: file:key.pem }") },
        { "delivery.kafka.tls.key", Kafka("tls: { certificate: file:cert.pem, key: file:key.pem }") },
        { "routes.defer.when", Defer("acks: none") },
        { "routes.defer.overloaded", Defer("overloaded: 100") },
        { "routes.defer.overloaded", Defer("overloaded: off") },
        { "routes.defer.acks", Defer("acks: leader") },
        { "routes.defer.acks", Defer("acks: 0") },
        { "routes.defer.acks", Defer("acks: -1") },
        { "routes.defer.key", Defer("key: \"header:X-Account\"") },
        { "routes.defer.key", Defer("key: client") },
        { "routes.defer.ttl", Defer("ttl: 72h") },
        { "routes.defer.idempotencyKey", Defer("idempotencyKey: required") },
        { "routes.defer.callback", In(Route, "defer: { when: always, callback: \"https://shop.example/hooks\" }") + "\ndelivery: { path: data, callbacks: { secrets: env:WEBHOOK_SECRET } }" },
        { "delivery.callbacks", Callbacks("timeout: 5s") },
        { "delivery.callbacks.secrets", Callbacks("timeout: 5s") },
        { "delivery.callbacks.secrets", Delivery("callbacks: { secrets: [env:WEBHOOK_SECRET] }") },
        { "delivery.callbacks.timeout", Callbacks("timeout: 5s") },
        { "delivery.callbacks.ttl", Callbacks("ttl: 72h") },
        { "delivery.callbacks.perHost", Callbacks("perHost: 1") },
        { "delivery.callbacks.http", Callbacks("http: true") },
        { "delivery.callbacks.ports", Callbacks("ports: [443, 8443]") },
        { "delivery.callbacks.ports", Callbacks("ports: 8443") },
        { "delivery.callbacks.networks", Callbacks("networks: [10.1.0.0/16]") },
    };

    /// <summary>What both must refuse.</summary>
    public static TheoryData<string> Bad =>
    [
        "services: {}",
        "listeners: {}",
        "listeners: []",
        "listeners: { a: {} }",
        "listeners: { \"a b\": { address: 127.0.0.1:0 } }",
        Yaml.Edge + "surprise: 1",
        Yaml.Edge + "delivery: {}",
        Yaml.Edge + "delivery: { path: a, engine: redis }",
        Delivery("maxBody: 10"),
        Kafka("replication: 0"),
        Kafka("login: { user: malha }"),
        Kafka("login: { user: malha, password: env:LONG_KEY, mechanism: gssapi }"),
        Delivery("engine: kafka, kafka: { bootstrap: broker }"),
        Delivery("engine: kafka, kafka: {}"),
        Delivery("attempts: 0"),
        Delivery("backoff: 1"),
        Delivery("credentialKeys: abc"),
        Delivery("callbacks: {}"),
        Callbacks("ports: 0"),
        Callbacks("perHost: 0"),
        Callbacks("networks: 10.0.0.0/8"),
        Defer("callback: shop.example"),
        Defer("acks: 3"),
        Defer("acks: some"),
        Defer("key: path"),
        Defer("overloaded: 0"),
        Defer("idempotencyKey: maybe"),
        Client("jwt: {}"),
        Client("identity: spiffe://shop/service/orders"),
        Client("apiKey: hunter2"),
        Client("apiKey: []"),
        Client("header: { name: \"A B\", value: x }"),
        Client("header: { name: A }"),
        Client("address: 10.0.0.1"),
        Client("any: yes"),
        Client("any: true, limit: 100"),
        Client("any: true, limit: 100/d"),
        Client("any: true, limit: { burst: 5 }"),
        Client("any: true, limit: { rate: 5/s, per: user }"),
        Client("any: true, limit: { rate: 5/s, cost: 0 }"),
        Client("any: true, limit: off"),
        Yaml.Edge + "classes: { a: {} }",
        Yaml.Edge + "classes: { a: { share: 50 } }",
        Yaml.Edge + "trustedMalha: 10.0.0.0/8",
        In(Route, "auth: none"),
        In(Route, "allow: []"),
        Listener("tls: { certificate: file:cert.pem, key: file:key.pem, minVersion: 1.2 }"),
        Listener("tls: { certificate: cert.pem, key: file:key.pem }"),
        Listener("tls: { certificates: [] }"),
        Listener("tls: { certificates: [{ certificate: file:cert.pem }] }"),
        Listener("maxHeaders: \"10\""),
        Listener("maxHeaders: 0"),
        Listener("maxHeaders: 1.5"),
        Listener("headerTimeout: 5"),
        Listener("headerTimeout: 5min"),
        Listener("maxHeaderSize: 5kb"),
        Listener("minBodyRate: 240B"),
        Listener("trustedProxies: 10.0.0.0/8"),
        Listener("trustedProxies: [example.org]"),
        Yaml.Edge + "protection: off",
        Yaml.Edge + "protection: { memory: 512 }",
        Yaml.Edge + "protection: { memory: most }",
        Yaml.Edge + "protection: { connections: 0 }",
        Yaml.Edge + "protection: { connections: 90% }",
        Yaml.Edge + "protection: { files: 1000 }",
        Yaml.Edge + "protection: { buffers: 50% }",
        Yaml.Edge + "admin: { token: hunter2 }",
        Yaml.Edge + "admin: { token: 1 }",
        Yaml.Edge + "admin: []",
        Yaml.Edge + "services: { a: { endpoints: [] } }",
        Yaml.Edge + "services: { a: { endpoints: [ftp://x] } }",
        Yaml.Edge + "services: { a: { endpoints: [http://x/path] } }",
        Yaml.Edge + "services: { a: { endpoints: [{ weight: 1 }] } }",
        In(Service, "balance: fastest"),
        In(Service, "maxBody: none"),
        In(Service, "capacity: 100"),
        In(Service, "capacity: 100/d"),
        In(Service, "capacity: off"),
        In(Service, "capacity: { burst: 10 }"),
        In(Service, "capacity: { rate: 10/s, burst: 0 }"),
        In(Service, "concurrency: adaptve"),
        In(Service, "concurrency: \"50\""),
        In(Service, "concurrency: 0"),
        In(Service, "concurrency: [1]"),
        In(Service, "concurrency: { fixed: 1 }"),
        In(Service, "retry: on"),
        In(Service, "retry: 3"),
        In(Service, "retry: { attempts: 21 }"),
        In(Service, "retry: { attempts: off }"),
        In(Service, "retry: { backoff: jitter }"),
        In(Service, "retry: { base: 50 }"),
        In(Service, "retry: { budget: 0.1 }"),
        In(Service, "retry: { budget: off }"),
        In(Service, "retry: { budget: { floor: 1 } }"),
        In(Service, "retry: { budget: { window: 1s } }"),
        In(Service, "throttle: on"),
        In(Service, "hedge: {}, hedges: 1"),
        In(Service, "hedge: 100ms"),
        In(Service, "hedge: { delay: p99 }"),
        In(Service, "hedge: { delay: off }"),
        In(Service, "hedge: { hedges: 5 }"),
        In(Service, "breaker: true"),
        In(Service, "breaker: { failures: 50 }"),
        In(Service, "breaker: { consecutive: 50% }"),
        In(Service, "breaker: { slow: 1s }"),
        In(Service, "breaker: { slow: { rate: 50% } }"),
        In(Service, "breaker: { window: 10 }"),
        In(Service, "breaker: { minimum: 0 }"),
        In(Service, "breaker: { open: 5s.. }"),
        In(Service, "breaker: { open: 5..300s }"),
        In(Service, "breaker: { open: [5s, 300s] }"),
        In(Service, "breaker: { probes: 65 }"),
        In(Service, "breaker: { ramp: 0 }"),
        In(Route, "retry: { budget: 10% }"),
        In(Route, "breaker: {}"),
        In(Service, "health: { path: health }"),
        In(Service, "health: { path: /health, every: 5 }"),
        In(Service, "health: { path: /health, rise: 0 }"),
        In(Service, "health: { path: /health, slowStart: never }"),
        In(Service, "health: { grpc: \"a b\" }"),
        In(Service, "health: { dependsOn: db }"),
        Expect("status: 99"),
        Expect("status: [ok]"),
        Expect("json: { status: Healthy }"),
        Step("surprise: 1"),
        Yaml.Edge + "services: { a: { endpoints: [mysql://db], health: {} } }",
        Tls("verify: \"false\""),
        Tls("ca: cert.pem"),
        In(Route, "match: { path: a }"),
        In(Route, "match: { host: \"a:80\" }"),
        In(Route, "match: { methods: [] }"),
        In(Route, "match: { methods: [\"G T\"] }"),
        In(Route, "match: { headers: { A: { exact: a, prefix: b } } }"),
        In(Route, "match: { headers: { A: {} } }"),
        In(Route, "match: { headers: { A: { regex: a } } }"),
        In(Route, "match: { headers: { A: [] } }"),
        In(Route, "headers: { request: { set: { \"A B\": x } } }"),
        In(Route, "headers: { request: { remove: A } }"),
        In(Route, "defer: {}"),
        Yaml.Edge + "routes: [{ redirect: {} }]",
        Yaml.Edge + "routes: [{ redirect: { to: x } }]",
        Yaml.Edge + "routes: [{ redirect: { to: /, status: 305 } }]",
        Yaml.Edge + "routes: [{ respond: { status: 100 } }]",
        Yaml.Edge + "routes: [{ respond: { contentType: html } }]",
        Yaml.Edge + "accessLog: { format: xml }",
        Yaml.Edge + "accessLog: { sample: 50 }",
    ];

    [Theory]
    [MemberData(nameof(Samples))]
    public async Task A_good_value_pleases_reader_and_schema(string path, string text)
    {
        using var directory = new TemporaryDirectory();
        var (certificate, key) = TestCertificate.Make("test");
        directory.Write("cert.pem", certificate);
        directory.Write("key.pem", key);
        directory.Write("api.key", "another-key");
        Yaml.Good(text, directory.Path);
        Assert.True(await IsValidAsync(text), path);
    }

    [Theory]
    [MemberData(nameof(Bad))]
    public async Task A_bad_value_pleases_neither(string text)
    {
        Assert.False(Yaml.Read(text).IsGood, "the reader accepts it");
        Assert.False(await IsValidAsync(text), "the schema accepts it");
    }

    [Fact]
    public void There_is_a_sample_of_every_key()
    {
        var sampled = Samples.Select(row => row.Data.Item1).ToHashSet();
        var leaves = Keys("", FileSection.Section.Describe()).ToArray();
        Assert.All(leaves, leaf => Assert.Contains(sampled, sample => sample == leaf || sample.StartsWith(leaf + ".", StringComparison.Ordinal)));
        Assert.Empty(sampled.Except(leaves));
    }

    [Fact]
    public void Every_key_says_in_the_schema_what_it_means()
    {
        using var schema = JsonDocument.Parse(MalhaSchema.ToJson());
        var timeout = schema.RootElement.GetProperty("properties").GetProperty("services").GetProperty("patternProperties")
            .EnumerateObject().Single().Value.GetProperty("properties").GetProperty("timeout");
        Assert.StartsWith("From a request's arrival to the final response head", timeout.GetProperty("description").GetString(), StringComparison.Ordinal);
        Assert.Equal("15s", timeout.GetProperty("default").GetString());
    }

    [Fact]
    public async Task Every_default_is_a_value_that_the_schema_allows()
    {
        var schema = await JsonSchema.FromJsonAsync(MalhaSchema.ToJson(), TestContext.Current.CancellationToken);
        var defaults = Properties(schema).Where(property => property.Default is not null).ToArray();
        Assert.Contains(defaults, property => property.Name == "consecutive");
        Assert.All(defaults, property => Assert.Empty(property.Validate(JsonSerializer.Serialize(property.Default))));
    }

    private static IEnumerable<JsonSchemaProperty> Properties(JsonSchema schema) =>
        schema.Properties.Values.Concat(schema.PatternProperties.Values).SelectMany(property => Properties(property).Prepend(property))
            .Concat(schema.AnyOf.SelectMany(Properties))
            .Concat(schema.Item is { } item ? Properties(item) : []);

    /// <summary>Paths of all keys; NAME stands for the keys of a map that the operator chooses, except where they are header or parameter names.</summary>
    private static IEnumerable<string> Keys(string path, ShapeInfo info) => info switch
    {
        SectionInfo section => section.Keys.SelectMany(key =>
        {
            var at = path.Length == 0 ? key.Name : $"{path}.{key.Name}";
            return Keys(at, key.Shape).Prepend(at);
        }),
        MapInfo map => Keys(path is "listeners" or "services" or "clients" or "classes" ? path + ".NAME" : path, map.Value),
        ListInfo list => Keys(path, list.Item),
        EitherInfo either => either.Shapes.SelectMany(shape => Keys(path, shape)),
        _ => [],
    };

    private static async Task<bool> IsValidAsync(string text)
    {
        var errors = new ErrorList("test");
        var json = ToJson(YamlTreeReader.Read(text, errors)!);
        var schema = await JsonSchema.FromJsonAsync(MalhaSchema.ToJson(), TestContext.Current.CancellationToken);
        return schema.Validate(json?.ToJsonString() ?? "null").Count == 0;
    }

    /// <summary>As an editor sees it: YAML 1.2's core schema decides which plain text is a number, a truth value or nothing.</summary>
    private static JsonNode? ToJson(YamlNode node) => node switch
    {
        YamlMap map => new JsonObject(map.Entries.Select(entry => new KeyValuePair<string, JsonNode?>(entry.Key.Value, ToJson(entry.Value)))),
        YamlList list => new JsonArray([.. list.Items.Select(ToJson)]),
        YamlText { IsNull: true } => null,
        YamlText { IsPlain: true, Value: "true" } => true,
        YamlText { IsPlain: true, Value: "false" } => false,
        YamlText { IsPlain: true } text when long.TryParse(text.Value, out var whole) => whole,
        YamlText { IsPlain: true } text when double.TryParse(text.Value, System.Globalization.CultureInfo.InvariantCulture, out var number) => number,
        YamlText text => text.Value,
        _ => throw new InvalidOperationException(),
    };

    private static string Listener(string key) => $"listeners: {{ a: {{ address: 127.0.0.1:0, {key} }} }}";

    private static string Kafka(string keys) => Delivery($"engine: kafka, kafka: {{ bootstrap: broker:9092, {keys} }}");

    private static string Delivery(string keys) => Yaml.Edge + $"delivery: {{ path: data, {keys} }}";

    private static string Callbacks(string keys) => Delivery($"callbacks: {{ secrets: env:WEBHOOK_SECRET, {keys} }}");

    private static string Defer(string keys) => In(Route, $"defer: {{ when: unavailable, {keys} }}") + "\ndelivery: { path: data }";

    private static string Client(string keys) => Yaml.Edge + $"clients: {{ a: {{ {keys} }} }}";

    private static string Tls(string keys) => Yaml.Edge + $"services: {{ a: {{ endpoints: [https://a.example], tls: {{ {keys} }} }} }}";

    private static string Expect(string keys) => In(Service, $"health: {{ path: /health, expect: {{ {keys} }} }}");

    private static string Step(string keys) => In(Service, $"health: {{ steps: [{{ path: /health, {keys} }}] }}");

    private static string In(string frame, string keys) => Yaml.Edge + frame.Replace("%%", keys, StringComparison.Ordinal);
}
