"""A provider's plugin that creates nothing: `pretended.py REAL-PLUGIN ARGUMENT…`, started by the engine.

It starts the real plugin and hands every call to it, save one: what would be created is answered by what the real
plugin says of it in a preview, with something made up for what only the machine could tell. So a state comes into being
whose inputs are those that the real plugin has checked, and in which it will find nothing to change.
"""

from __future__ import annotations

import itertools
import signal
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from types import FrameType
from typing import Any

import grpc
from google.protobuf.struct_pb2 import Struct, Value
from pulumi.runtime import rpc
from pulumi.runtime.proto import provider_pb2

MAX_MESSAGE_BYTES = 400 * 1024 * 1024  # the engine's own limit (sdk/go rpcutil)
_OPTIONS = [
    ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
    ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
]

KUBECONFIG = """apiVersion: v1
kind: Config
clusters: [{name: bench, cluster: {server: "https://192.0.2.14:6443"}}]
users: [{name: bench, user: {token: bench}}]
contexts: [{name: bench, context: {cluster: bench, user: bench}}]
current-context: bench
"""
"""What a command prints. The program reads only the kubeconfig among all that commands print."""

_numbers = itertools.count(1)

Call = Callable[[bytes], bytes]


def created(request: provider_pb2.CreateRequest, preview: Call) -> provider_pb2.CreateResponse:
    """The answer to `request`."""
    request.preview = True
    answer = provider_pb2.CreateResponse.FromString(preview(request.SerializeToString()))
    answer.id = str(next(_numbers))  # a number: GitLab's are
    _make_up(answer.properties)
    if request.type == "kubernetes:core/v1:Secret" and "data" not in answer.properties:
        # The token of a ServiceAccount, which the cluster writes.
        answer.properties.update({"data": {"ca.crt": "YmVuY2g=", "token": "YmVuY2g="}})
    return answer


def _make_up(found: Struct) -> None:
    for value in found.fields.values():
        _make_up_value(value)


def _make_up_value(value: Value) -> None:
    kind = value.WhichOneof("kind")
    if kind == "string_value" and value.string_value == rpc.UNKNOWN:
        value.string_value = KUBECONFIG
    elif kind == "struct_value":
        _make_up(value.struct_value)
    elif kind == "list_value":
        for item in value.list_value.values:
            _make_up_value(item)


class Handler(grpc.GenericRpcHandler):
    """Answers every method of the service."""

    def __init__(self, channel: grpc.Channel) -> None:
        self._channel = channel

    def service(self, details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler[bytes, bytes]:
        forward: Any = self._channel.unary_unary(details.method)

        def answer(message: bytes, context: grpc.ServicerContext) -> bytes:
            try:
                if details.method.endswith("/Create"):
                    request = provider_pb2.CreateRequest.FromString(message)
                    if not request.preview:
                        return created(request, forward).SerializeToString()
                return bytes(forward(message))
            except grpc.RpcError as error:
                context.set_trailing_metadata(error.trailing_metadata())  # type: ignore[arg-type]
                context.abort(error.code(), error.details() or "")

        return grpc.unary_unary_rpc_method_handler(answer)


def main(real: str, *arguments: str) -> None:
    """Serve until the engine is done."""
    plugin = subprocess.Popen([real, *arguments], stdout=subprocess.PIPE, text=True)
    assert plugin.stdout
    channel = grpc.insecure_channel(f"127.0.0.1:{plugin.stdout.readline().strip()}", options=_OPTIONS)
    server = grpc.server(ThreadPoolExecutor(max_workers=16), [Handler(channel)], options=_OPTIONS)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    print(port, flush=True)

    def stop(_number: int, _frame: FrameType | None) -> Any:
        plugin.terminate()
        plugin.wait()
        sys.exit(0)

    signal.signal(signal.SIGINT, stop)
    signal.signal(signal.SIGTERM, stop)
    plugin.wait()


if __name__ == "__main__":
    main(*sys.argv[1:])
