"""Images for CI jobs that trust the platform's CA."""

from components.ci_images.ci_images import CiImages, CiImagesArgs
from components.ci_images.roles import IMAGE_VARIABLES, roles

__all__ = ["IMAGE_VARIABLES", "CiImages", "CiImagesArgs", "roles"]
