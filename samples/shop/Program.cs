using Malha.Samples.Shop;

// shop ROLE [--port N] [--exit-with-stdin]: one program, five services, one of them per process.
if (ShopService.Read(args) is not { } service)
{
    Console.Error.WriteLine("usage: shop web|orders|payments|inventory|notify [--port N] [--exit-with-stdin]");
    return 2;
}

var app = service.Build();
switch (service.Role)
{
    case "web": Web.Map(app); break;
    case "orders": Orders.Map(app); break;
    case "payments": Payments.Map(app); break;
    case "inventory": Inventory.Map(app); break;
    case "notify": Notify.Map(app); break;
}

return await service.Run(app);
