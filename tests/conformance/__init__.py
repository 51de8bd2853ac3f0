"""How the providers' plugins behave: small programs, run by the real engine.

Every test runs against the stand-in, and against the official plugin where that is installed. What passes with both may
be replaced by the official one.
"""
