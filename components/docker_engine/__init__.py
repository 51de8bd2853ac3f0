"""The Docker engine of a host."""

from components.docker_engine.docker_engine import Claims, DockerEngine, DockerEngineArgs, check, image

__all__ = ["Claims", "DockerEngine", "DockerEngineArgs", "check", "image"]
