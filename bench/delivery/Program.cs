using Malha.Bench.Delivery;

return args switch
{
    ["compare", .. var rest] => await Comparison.RunAsync(rest),
    ["load", var path, .. var rest] => await Load.RunAsync(path, rest),
    _ => Usage(),
};

static int Usage()
{
    Console.Error.WriteLine("delivery-bench compare [--seconds 5] [--path DIR] | load PATH [--acks all,leader] [--callers 8] [--count 0] [--body 1024] [--memory …] [--minimum …] [--reserve …]");
    return 2;
}
