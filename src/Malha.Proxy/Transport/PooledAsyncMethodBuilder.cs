using System.Runtime.CompilerServices;
using System.Threading.Tasks.Sources;

namespace Malha.Proxy.Transport;

/// <summary>
/// Lets an async method of the request path suspend without allocating: <c>[AsyncMethodBuilder(typeof(PooledAsyncMethodBuilder&lt;&gt;))]</c>.
/// </summary>
/// <remarks>
/// The runtime's own pooling builder keeps one box per core and kind of method; with hundreds of exchanges in flight almost every one of them
/// would still allocate. Here each thread keeps a stack of boxes, and hands on what it has too many of. Neither ExecutionContext nor SynchronizationContext flows: nothing on
/// the request path uses them. A result must be awaited exactly once, as with any pooled ValueTask.
/// </remarks>
internal struct PooledAsyncMethodBuilder<TResult>
{
    private AsyncBox<TResult>? _box;
    private TResult _result;
    private Exception? _exception;

    public static PooledAsyncMethodBuilder<TResult> Create() => default;

    public readonly ValueTask<TResult> Task =>
        _box is not null ? new ValueTask<TResult>(_box, _box.Version)
        : _exception is not null ? ValueTask.FromException<TResult>(_exception)
        : new ValueTask<TResult>(_result);

    public readonly void Start<TStateMachine>(ref TStateMachine stateMachine)
        where TStateMachine : IAsyncStateMachine
    {
        _ = _box; // The compiler calls it on an instance, whatever it needs.
        stateMachine.MoveNext();
    }

    // Only for builders that box through the interface; AsyncBox holds the struct itself.
    public readonly void SetStateMachine(IAsyncStateMachine stateMachine) => _ = _box;

    public void SetResult(TResult result)
    {
        if (_box is null)
            _result = result;
        else
            _box.SetResult(result);
    }

    public void SetException(Exception exception)
    {
        if (_box is null)
            _exception = exception;
        else
            _box.SetException(exception);
    }

    public void AwaitOnCompleted<TAwaiter, TStateMachine>(ref TAwaiter awaiter, ref TStateMachine stateMachine)
        where TAwaiter : INotifyCompletion
        where TStateMachine : IAsyncStateMachine => awaiter.OnCompleted(BoxOf(ref stateMachine).MoveNextAction);

    public void AwaitUnsafeOnCompleted<TAwaiter, TStateMachine>(ref TAwaiter awaiter, ref TStateMachine stateMachine)
        where TAwaiter : ICriticalNotifyCompletion
        where TStateMachine : IAsyncStateMachine => awaiter.UnsafeOnCompleted(BoxOf(ref stateMachine).MoveNextAction);

    private AsyncBox<TResult> BoxOf<TStateMachine>(ref TStateMachine stateMachine)
        where TStateMachine : IAsyncStateMachine
    {
        if (_box is not null)
            return _box;

        var box = AsyncBox<TResult, TStateMachine>.Rent();
        // This builder is a field of the state machine: the box must be in it before it is copied.
        _box = box;
        box.StateMachine = stateMachine;
        return box;
    }
}

/// <summary>The heap side of a suspended method: its result, and the continuation that moves it on.</summary>
internal abstract class AsyncBox<TResult> : IValueTaskSource<TResult>
{
    private ManualResetValueTaskSourceCore<TResult> _core;

    protected AsyncBox() => MoveNextAction = MoveNext;

    public Action MoveNextAction { get; }

    public short Version => _core.Version;

    public void SetResult(TResult result) => _core.SetResult(result);

    public void SetException(Exception exception) => _core.SetException(exception);

    public ValueTaskSourceStatus GetStatus(short token) => _core.GetStatus(token);

    public void OnCompleted(Action<object?> continuation, object? state, short token, ValueTaskSourceOnCompletedFlags flags) =>
        _core.OnCompleted(continuation, state, token, flags);

    public TResult GetResult(short token)
    {
        try
        {
            return _core.GetResult(token);
        }
        finally
        {
            _core.Reset();
            Return();
        }
    }

    protected abstract void MoveNext();

    protected abstract void Return();
}

internal sealed class AsyncBox<TResult, TStateMachine> : AsyncBox<TResult>
    where TStateMachine : IAsyncStateMachine
{
    private static readonly Depot<AsyncBox<TResult, TStateMachine>> Shared = new();

    [ThreadStatic]
    private static LocalStack<AsyncBox<TResult, TStateMachine>>? _kept;

    public TStateMachine StateMachine = default!;

    public static AsyncBox<TResult, TStateMachine> Rent() =>
        (_kept ??= new(Shared)).TryPop(out var box) ? box : new AsyncBox<TResult, TStateMachine>();

    protected override void MoveNext() => StateMachine.MoveNext();

    protected override void Return()
    {
        StateMachine = default!;
        (_kept ??= new(Shared)).TryPush(this);
    }
}
