using System.Text.Json;
using System.Text.Json.Serialization;
using Malha.ControlPlane.Api.Views;
using Malha.Delivery.Operations;
using Microsoft.AspNetCore.Mvc;

namespace Malha.ControlPlane.Api;

/// <summary>How the API's answers become JSON: generated at build time, camelCase, numbers as numbers.</summary>
[JsonSourceGenerationOptions(JsonSerializerDefaults.Web, NumberHandling = JsonNumberHandling.Strict)]
[JsonSerializable(typeof(ConfigView))]
[JsonSerializable(typeof(ReloadView))]
[JsonSerializable(typeof(Page<ServiceView>))]
[JsonSerializable(typeof(Page<EndpointView>))]
[JsonSerializable(typeof(Page<RouteView>))]
[JsonSerializable(typeof(Page<ListenerView>))]
[JsonSerializable(typeof(Page<ClientView>))]
[JsonSerializable(typeof(Page<LimitView>))]
[JsonSerializable(typeof(Page<DecisionView>))]
[JsonSerializable(typeof(Page<BreakerView>))]
[JsonSerializable(typeof(Page<AdmissionView>))]
[JsonSerializable(typeof(BreakerOrder))]
[JsonSerializable(typeof(Page<LaneView>))]
[JsonSerializable(typeof(Page<OperationView>))]
[JsonSerializable(typeof(AnswerView))]
[JsonSerializable(typeof(DeadLetterOrder))]
[JsonSerializable(typeof(DeadLetterResult))]
[JsonSerializable(typeof(ProtectionView))]
[JsonSerializable(typeof(SnapshotView))]
[JsonSerializable(typeof(DroppedView))]
[JsonSerializable(typeof(ProblemDetails))]
[JsonSerializable(typeof(string[]))]
[JsonSerializable(typeof(int?))]
[JsonSerializable(typeof(long?))]
internal sealed partial class ApiJson : JsonSerializerContext;
