"""The lab's Python language host: stands in for Pulumi's own `pulumi-language-python`, which is out of reach here."""
