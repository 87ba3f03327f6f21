"""A local stand-in for `func start`: the real worker library under an imitated host. Development only.

`azure-functions-runtime` is Microsoft's own Python worker library, the one the host drives in Azure: it loads the app,
converts every argument and answer, and runs the functions. What is imitated, in this package, is the host around it:
routes, keys, triggers, retries, the console. So an app that works here uses the worker correctly; it says nothing about
scaling, networking, identity or anything else that only Azure has.

    python -m devhost --images samples        # in the folder of function_app.py; the folder is the blob container
    python -m devhost                         # the storage account of the setting AzureWebJobsStorage, or Azurite

An event goes one way in both: Event Grid's webhook, or the watcher of the folder, makes a message on the host's own
queue; from there it is taken to the function, five times at most, and then to the poison queue.

Known differences from the real host: other triggers and bindings than HTTP, blob, Event Grid, queue and timer triggers
and queue outputs are named at the start and left alone; every blob trigger is one with Event Grid as its source, and
connections are connection strings; timers take no lease and make up for no run; there is no CORS, no function timeout,
no `logLevel` from host.json, no streaming HTTP; the folder as a container can only be read; every blob function of a
path finishes before its removal is told, where Azure keeps no order.

The rooms: `settings` (environment, host.json), `protos` and `worker` (the worker library), `bindings` (what each
function listens and writes to), `invocation` (one run, and its messages); `routes`, `keys`, `rpc_http`, `webhooks`,
`by_hand` and `front` (HTTP); `queues`, `local_queues` and `storage_queues` (where messages wait), `consumer` (their
way to a function), `events`, `triggers`, `blob_input`, `storage`, `storage_blobs` and `timers` (what they mean);
`blobs`, `blob_service`, `receipts`, `deliveries`, `progress` and `folder` (the container that is a folder);
`listeners` (all that runs without a request, put together), `console` (log and progress), `__main__` (start and stop).
"""
