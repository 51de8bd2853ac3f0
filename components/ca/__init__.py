"""The certificate authority."""

from components.ca.ca import CA, CaArgs, Certificate, Engine
from components.ca.trusted_host import TrustedHost

__all__ = ["CA", "CaArgs", "Certificate", "Engine", "TrustedHost"]
