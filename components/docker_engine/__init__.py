"""The Docker engine of a host."""

from components.docker_engine.docker_engine import DockerEngine, DockerEngineArgs

__all__ = ["DockerEngine", "DockerEngineArgs"]
