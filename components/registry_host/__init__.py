"""The shared Docker engine with the registry and its web page."""

from components.registry_host.registry_host import RegistryHost, RegistryHostArgs, engine_check, images

__all__ = ["RegistryHost", "RegistryHostArgs", "engine_check", "images"]
