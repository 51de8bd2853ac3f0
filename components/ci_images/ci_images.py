"""CiImages: the images that CI jobs run in, with the CA inside."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import pulumi

from components.ca import TrustedHost
from components.checksum import checksum
from components.ci_images.roles import roles
from components.host import Script
from components.secrets import secret
from components.site import Site
from components.templates import render
from names import PLATFORM
from settings.ci import CiSettings
from settings.projects import Pipeline
from settings.registry import LoginSettings

SCRIPTS = Path(__file__).parent / "scripts"
TRUST = Path(__file__).parent / "context" / "trust.sh"


@dataclass(frozen=True)
class CiImagesArgs:
    """`host` is the registry's machine and `login` the registry's; `pipelines` are those that the images are for.

    `after` is what pushing needs: the registry, and a resolver that knows its name.
    """

    site: Site
    host: TrustedHost
    settings: CiSettings
    pipelines: Collection[Pipeline]
    login: LoginSettings | None
    after: Sequence[pulumi.Resource]


def dockerfile(base: str) -> str:
    """What an image with the CA inside is built from; its context has the certificates and trust.sh."""
    return render("ci_images/templates/Dockerfile.j2", base=base)


def tag(files: Mapping[str, str]) -> str:
    """A tag that is another one exactly when a file that the image is built from is."""
    content = "".join(f"{name}\0{text}\0" for name, text in sorted(files.items()))
    return checksum(content)[:16]


class CiImages(pulumi.ComponentResource):
    """The images `registry.<domain>/auto-devops/<role>:<tag>`, built and pushed by the registry's machine.

    Owns: the builds. An image is built again when its base, a CA or the recipe is another one.
    Does not own: older images in the registry, which older pipelines name; they go with the registry.
    """

    references: dict[str, pulumi.Output[str]]
    """By role, the image as it is pulled; known once it is in the registry."""

    def __init__(self, name: str, args: CiImagesArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("auto-devops:index:CiImages", name, None, opts)
        upstream = args.settings.images.model_dump(by_alias=True)
        needed = {role for pipeline in args.pipelines for role in roles(pipeline)}
        self.references = {
            role: self._image(name, role, args.site.downloads.image(upstream[role]), args) for role in sorted(needed)
        }
        self.register_outputs({"references": self.references})

    def _image(self, name: str, role: str, base: str, args: CiImagesArgs) -> pulumi.Output[str]:
        recipe = {"Dockerfile": dockerfile(base), "trust.sh": TRUST.read_text()}
        registry, mirrors_ca = args.site.names.registry, args.site.downloads.ca_certificate
        # The CAs that the image trusts.
        authorities: dict[str, pulumi.Input[str]] = {"platform.crt": args.site.ca.certificate}
        if mirrors_ca:
            authorities["mirrors.crt"] = mirrors_ca
        # `from_input` waits for what is inside the dictionary too, which its type does not say.
        certificates = cast("pulumi.Output[dict[str, str]]", pulumi.Output.from_input(authorities))
        reference = certificates.apply(
            # A repository's path is in lower case.
            lambda texts: f"{registry}/{PLATFORM}/{_path(role)}:{tag(recipe | texts)}"
        )
        files: dict[str, pulumi.Input[str]] = {**recipe, **authorities}
        if args.login:
            files["password"] = secret(args.login.password.get_secret_value())
        built = args.host.run(
            f"{name}-{role}",
            Script(SCRIPTS / "build.sh", SCRIPTS / "unbuild.sh"),
            parent=self,
            variables={
                "ROLE": role,
                "REFERENCE": reference,
                "USERNAME": args.login.username if args.login else "",
                "REGISTRY": registry,
            },
            files=files,
            depends_on=args.after,
        )
        return pulumi.Output.all(built.id, reference).apply(lambda values: str(values[1]))


def _path(role: str) -> str:
    return "".join(f"-{letter.lower()}" if letter.isupper() else letter for letter in role)
