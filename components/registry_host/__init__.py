"""The shared Docker engine with the registry and its web page."""

from components.registry_host.registry_host import Login, RegistryHost, RegistryHostArgs

__all__ = ["Login", "RegistryHost", "RegistryHostArgs"]
