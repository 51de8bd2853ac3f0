"""Images for CI jobs that trust the platform's CA."""

from components.ci_images.ci_images import CiImages, CiImagesArgs

__all__ = ["CiImages", "CiImagesArgs"]
