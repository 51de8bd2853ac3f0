"""The shared Docker engine with the registry and its web page."""

from components.registry_host.registry_host import RegistryHost, RegistryHostArgs

__all__ = ["RegistryHost", "RegistryHostArgs"]
