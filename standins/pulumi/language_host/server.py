"""The LanguageRuntime service that the Pulumi engine starts as `pulumi-language-python`.

Owns: running a Python program in this interpreter and reporting how it ended.
Does not own: environments. The program runs with the interpreter and the packages of the launcher (see
`launcher.py`), so a project that asks for its own virtualenv, toolchain or type checker is refused.

`pulumi.automation`'s LanguageServer does the talking with the engine; here is only what differs between running
a function of this process and running a project's `__main__.py`.
"""

from __future__ import annotations

import os
import runpy
import signal
import sys
import traceback
from concurrent.futures import ThreadPoolExecutor
from importlib import metadata
from pathlib import Path
from types import FrameType
from typing import Any

import grpc
from google.protobuf.json_format import MessageToDict
from google.protobuf.struct_pb2 import Struct
from pulumi.automation._server import LanguageServer
from pulumi.errors import RunError
from pulumi.runtime.proto import language_pb2, language_pb2_grpc, plugin_pb2

# The engine's own limit (sdk/go rpcutil): a stack's configuration may be large.
MAX_MESSAGE_BYTES = 400 * 1024 * 1024

SUPPORTED_OPTIONS: frozenset[str] = frozenset()


def unsupported_options(options: dict[str, Any]) -> list[str]:
    """One line for each option under `runtime.options` of Pulumi.yaml that this host does not perform."""
    return [
        f"Pulumi.yaml asks for runtime option `{name}: {value}`, which the lab's Python language host does not "
        f"perform: it runs the program with {sys.executable}. Remove `{name}` from `runtime.options`, "
        "or install Pulumi's own CLI, whose language host has it."
        for name, value in sorted(options.items())
        if name not in SUPPORTED_OPTIONS
    ]


def program_path(directory: Path, entry_point: str) -> Path:
    """The file that `python` would run for this project: `main` of Pulumi.yaml may be a directory or a file."""
    entry = (directory / (entry_point or ".")).resolve()
    if entry.is_dir():
        entry = entry / "__main__.py"
    if not entry.is_file():
        raise RunError(
            f"found no Python program: expected {entry}. "
            "Create it, or set `main` in Pulumi.yaml to the program's file or directory."
        )
    return entry


def run_program(directory: Path, entry_point: str) -> None:
    """Run the project's program as `python <directory>` would; every failure comes out as a RunError."""
    entry = program_path(directory, entry_point)
    os.chdir(directory)
    sys.path.insert(0, str(entry.parent))
    sys.argv = [str(entry)]
    try:
        runpy.run_path(str(entry), run_name="__main__")
    except RunError:
        raise
    except SystemExit as stop:
        if stop.code not in (None, 0):
            message = stop.code if isinstance(stop.code, str) else f"the program ended with exit status {stop.code}"
            raise RunError(message) from stop
    except Exception as error:
        raise RunError(f"Program failed with an unhandled exception:\n{program_traceback(error)}") from error


def program_traceback(error: BaseException) -> str:
    """The traceback from the program's first line on: this host's and runpy's frames say nothing to its author."""
    frames = error.__traceback__
    while frames is not None and frames.tb_frame.f_code.co_filename in HOST_FILES:
        frames = frames.tb_next
    return "".join(traceback.format_exception(type(error), error, frames or error.__traceback__))


HOST_FILES = frozenset({__file__, runpy.__file__, "<frozen runpy>"})


class LanguageHost(LanguageServer):
    """Answers the engine for one project; the engine starts a host for each."""

    def __init__(self) -> None:
        super().__init__(lambda: None)

    def Handshake(
        self, request: language_pb2.LanguageHandshakeRequest, context: grpc.ServicerContext
    ) -> language_pb2.LanguageHandshakeResponse:
        return language_pb2.LanguageHandshakeResponse()

    def GetPluginInfo(self, request: Any, context: grpc.ServicerContext) -> plugin_pb2.PluginInfo:
        return plugin_pb2.PluginInfo(version=metadata.version("pulumi"))

    def RuntimeOptionsPrompts(
        self, request: language_pb2.RuntimeOptionsRequest, context: grpc.ServicerContext
    ) -> language_pb2.RuntimeOptionsResponse:
        return language_pb2.RuntimeOptionsResponse()

    def GetProgramDependencies(
        self, request: language_pb2.GetProgramDependenciesRequest, context: grpc.ServicerContext
    ) -> language_pb2.GetProgramDependenciesResponse:
        packages = {item.metadata["Name"]: item.version for item in metadata.distributions()}
        return language_pb2.GetProgramDependenciesResponse(
            dependencies=[
                language_pb2.DependencyInfo(name=name, version=version) for name, version in sorted(packages.items())
            ]
        )

    def InstallDependencies(
        self, request: language_pb2.InstallDependenciesRequest, context: grpc.ServicerContext
    ) -> Any:
        context.abort(
            grpc.StatusCode.UNIMPLEMENTED,
            "the lab's Python language host installs nothing: "
            f"run `{sys.executable} -m pip install -r requirements.txt`",
        )

    def Run(self, request: language_pb2.RunRequest, context: grpc.ServicerContext) -> language_pb2.RunResponse:
        directory = Path(request.info.program_directory or request.pwd)
        entry_point = request.info.entry_point or request.program
        problems = unsupported_options(struct_to_dict(request.info.options))

        def program() -> None:
            if problems:
                raise RunError("\n".join(problems))
            run_program(directory, entry_point)

        self.program = program
        response: language_pb2.RunResponse = super().Run(request, context)  # type: ignore[no-untyped-call]
        # LanguageServer has logged the failure already; `bail` makes the engine stop without repeating it.
        return language_pb2.RunResponse(bail=True) if response.error else response


def struct_to_dict(options: Struct) -> dict[str, Any]:
    return dict(MessageToDict(options))


def serve() -> None:
    """Serve on a free loopback port, told to the engine in the first line of output, until a signal comes."""
    # `print` in a program is shown by the engine line by line, as it happens.
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    server = grpc.server(
        # One call at a time is a program's run; the rest are short questions of the engine while it runs.
        ThreadPoolExecutor(max_workers=4),
        options=[
            ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
            ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
        ],
    )
    language_pb2_grpc.add_LanguageRuntimeServicer_to_server(LanguageHost(), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    print(port, flush=True)

    def stop(_number: int, _frame: FrameType | None) -> None:
        # A program that waits for something would keep the interpreter alive: the engine has already given up on it.
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(0)

    signal.signal(signal.SIGINT, stop)
    signal.signal(signal.SIGTERM, stop)
    while True:
        signal.pause()


if __name__ == "__main__":
    serve()
