"""A local stand-in for `func start`: the real worker library under an imitated host. Development only.

`azure-functions-runtime` is Microsoft's own Python worker library, the one the host drives in Azure: it loads the app,
converts every argument and answer, and runs the functions. What is imitated, in this package, is the host around it:
routes, keys, triggers, retries, the console. So an app that works here uses the worker correctly; it says nothing about
scaling, networking, identity or anything else that only Azure has.

    python -m devhost --images samples        # in the folder of function_app.py

Known differences from the real host: triggers other than HTTP, blob and Event Grid are named at the start and left
alone; output bindings are dropped with a warning; there is no CORS, no function timeout, no `logLevel` from host.json,
no streaming HTTP and no SDK-typed (deferred) bindings; the blob container is a folder that can be read by its URLs but
does not speak the storage protocol; every blob function of a path finishes before its removal is told, where Azure
keeps no order.

The rooms: `settings` (environment, host.json), `protos` and `worker` (the worker library), `bindings` (what each
function listens to), `routes`, `keys` and `front` (HTTP), `blobs`, `receipts`, `delivery` and `folder` (the
container), `console` (log and progress), `__main__` (start and stop).
"""
