using Malha.Samples.Shop;

// One program, five services, one of them per process.
if (ShopService.Read(args) is not { } service)
{
    Console.Error.WriteLine("usage: shop web|orders|payments|inventory|notify [--port N] [--or-any-port] [--exit-with-stdin]");
    return 2;
}

return await service.Run(service.Role switch
{
    "web" => Web.Map,
    "orders" => Orders.Map,
    "payments" => Payments.Map,
    "inventory" => Inventory.Map,
    _ => Notify.Map,
});
