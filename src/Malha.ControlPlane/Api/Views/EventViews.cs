namespace Malha.ControlPlane.Api.Views;

/// <summary>What whoever begins to listen should know first.</summary>
/// <param name="At">When it was taken.</param>
/// <param name="ConfigVersion">The configuration in force.</param>
/// <param name="Draining">Whether the gateway stops.</param>
/// <param name="Listeners">All listeners.</param>
public sealed record SnapshotView(DateTimeOffset At, long ConfigVersion, bool Draining, IReadOnlyList<ListenerView> Listeners);

/// <summary>How much was left out because the listener did not keep up.</summary>
/// <param name="Events">Events.</param>
/// <param name="Decisions">Decisions.</param>
public sealed record DroppedView(long Events, long Decisions);
