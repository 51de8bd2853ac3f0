"""The Docker engine of a host."""

from components.docker_engine.docker_engine import TLS_PORT, DockerEngine, DockerEngineArgs, Prune, RemoteAccess

__all__ = ["TLS_PORT", "DockerEngine", "DockerEngineArgs", "Prune", "RemoteAccess"]
