"""The certificate authority."""

from components.ca.ca import CA, CaArgs, Certificate

__all__ = ["CA", "CaArgs", "Certificate"]
