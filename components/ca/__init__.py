"""The certificate authority."""

from components.ca.ca import CA, CaArgs, Certificate, Engine

__all__ = ["CA", "CaArgs", "Certificate", "Engine"]
