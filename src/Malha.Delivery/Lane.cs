using System.Security.Cryptography;
using Malha.Configuration;
using Malha.Delivery.Callbacks;
using Malha.Delivery.Dispatch;
using Malha.Delivery.Operations;
using Malha.Proxy;

namespace Malha.Delivery;

/// <summary>The durable lane of a gateway that runs: its store, and all that works with it.</summary>
internal sealed class Lane : IAsyncDisposable
{
    private LaneSettings _settings;

    /// <param name="gateway">Whose lane it is.</param>
    /// <param name="store">Where operations are kept; closed with this.</param>
    /// <param name="config">The keys in force.</param>
    /// <param name="bodyFolder">Where larger bodies are kept while their requests are under way.</param>
    public Lane(GatewayHost gateway, IOperationStore store, DeliveryConfig config, string bodyFolder)
    {
        Gateway = gateway;
        Store = store;
        BodyFolder = bodyFolder;
        _settings = new LaneSettings(config);
        Ends = new OperationEnds();
        Dispatcher = new Dispatcher(this);
        Callbacks = new CallbackSender(this);
    }

    public GatewayHost Gateway { get; }

    public IOperationStore Store { get; }

    public string BodyFolder { get; }

    public TimeProvider Time => Gateway.Plane.Time;

    /// <summary>For names of operations: nobody may guess one.</summary>
    public RandomNumberGenerator Chance { get; } = RandomNumberGenerator.Create();

    /// <summary>Who waits for an operation's end.</summary>
    public OperationEnds Ends { get; }

    public Dispatcher Dispatcher { get; }

    /// <summary>Tells the ends of operations to those who want to be told.</summary>
    public CallbackSender Callbacks { get; }

    public LaneSettings Settings => Volatile.Read(ref _settings);

    /// <summary>Other keys are in force.</summary>
    public void Update(DeliveryConfig config)
    {
        Volatile.Write(ref _settings, new LaneSettings(config));
        Callbacks.Start();
    }

    /// <summary>An operation as whoever may see it sees it.</summary>
    public OperationView View(Operation operation) => OperationView.Of(operation, this);

    public async ValueTask DisposeAsync()
    {
        await Dispatcher.DisposeAsync();
        await Callbacks.DisposeAsync();
        await Store.DisposeAsync();
        Chance.Dispose();
    }
}
