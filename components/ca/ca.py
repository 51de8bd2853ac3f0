"""CA: the root that every hop trusts, and the certificates it issues."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pulumi
import pulumi_tls as tls

from components.ca.trusted_host import TrustedHost
from components.host import Host, Script
from components.secrets import secret
from settings.ca import CaSettings, OwnCa

SCRIPTS = Path(__file__).parent / "scripts"
HOURS_PER_DAY = 24

# Names that RFC 5280 gives the uses; pulumi-tls spells them with underscores.
SERVER_USES = ("digital_signature", "key_encipherment", "server_auth")
CLIENT_USES = ("digital_signature", "client_auth")

Engine = Literal["shared", "gitlab"]
"""A Docker engine that others reach: the one that people and jobs build on, and that of GitLab's machine."""


@dataclass(frozen=True)
class CaArgs:
    """`own` is a certificate authority brought along; without one, a root is made for `domain`."""

    domain: str
    settings: CaSettings
    own: OwnCa | None = None


@dataclass(frozen=True)
class Certificate:
    """An issued certificate, as PEM.

    `chain` is what a server sends: the certificate, then any intermediate; `key` is secret.
    """

    certificate: pulumi.Output[str]
    chain: pulumi.Output[str]
    key: pulumi.Output[str]


class CA(pulumi.ComponentResource):
    """The certificate authority.

    Owns: the root (or the one brought along), issuing and renewing certificates, and the root's place in the trust
    store of each host, including the restart of services there that read the store only at their start.
    Does not own: where a certificate is installed, and trust on computers that are no Host (see `tools/`).
    """

    certificate: pulumi.Output[str]
    """The root certificate (PEM): what has to be trusted."""

    def __init__(self, name: str, args: CaArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("auto-devops:index:CA", name, None, opts)
        self._name, self._domain, self._settings = name, args.domain, args.settings
        self._intermediates = ""
        own = args.own
        if own:
            self._issuer = pulumi.Output.from_input(own.certificate)
            self._issuer_key = secret(own.key)
            # Someone else's root is the last of the chain; what lies between it and us goes out with each certificate.
            self.certificate = pulumi.Output.from_input(own.chain[-1] if own.chain else own.certificate)
            if own.chain:
                self._intermediates = "".join([own.certificate, *own.chain[:-1]])
        else:
            key = self._key(f"{name}-root")
            root = self._root(f"{name}-root", f"{args.domain} root CA", key)
            self._issuer = self.certificate = root.cert_pem
            self._issuer_key = key.private_key_pem
        self._client_roots: dict[Engine, tuple[pulumi.Output[str], pulumi.Output[str]]] = {}
        self.register_outputs({"certificate": self.certificate})

    def issue_server(
        self, name: str, dns_names: Sequence[str], ip_addresses: Sequence[str] = (), *, parent: pulumi.Resource
    ) -> Certificate:
        """A server's certificate for `dns_names` (wildcards too) and `ip_addresses`."""
        issuer = (self._issuer, self._issuer_key)
        return self._issue(
            name, dns_names[0], SERVER_USES, dns_names, ip_addresses, issuer, self._intermediates, parent
        )

    def issue_client(self, name: str, common_name: str, engine: Engine, *, parent: pulumi.Resource) -> Certificate:
        """A client's certificate, good for nothing but proving to `engine` who `common_name` is."""
        return self._issue(name, common_name, CLIENT_USES, (), (), self._client_root(engine), "", parent)

    def client_ca(self, engine: Engine) -> pulumi.Output[str]:
        """The root of `engine`'s clients (PEM): what the engine checks them against, and nothing else does."""
        return self._client_root(engine)[0]

    def trust(self, host: Host, extra_certificate: str | None = None) -> TrustedHost:
        """`host` with the root in its trust store, and `extra_certificate` (PEM, such as a mirror's CA) beside it."""
        files: dict[str, pulumi.Input[str]] = {"auto-devops.crt": self.certificate}
        if extra_certificate:
            files["auto-devops-mirrors.crt"] = extra_certificate
        trust = host.run(
            f"{self._name}-trust-{host.name}",
            Script(SCRIPTS / "trust.sh", SCRIPTS / "distrust.sh"),
            parent=self,
            files=files,
        )
        return TrustedHost(host, trust)

    def _key(self, name: str, parent: pulumi.Resource | None = None) -> tls.PrivateKey:
        settings = self._settings
        size = {"ecdsa_curve": settings.curve} if settings.algorithm == "ECDSA" else {"rsa_bits": settings.rsa_bits}
        return tls.PrivateKey(
            f"{name}-key", algorithm=settings.algorithm, **size, opts=pulumi.ResourceOptions(parent=parent or self)
        )

    def _client_root(self, engine: Engine) -> tuple[pulumi.Output[str], pulumi.Output[str]]:
        # Whoever has a client certificate becomes root on the engine's machine. So those come from a root of their own,
        # which is trusted for nothing else: a CA brought along may have given certificates to a whole company. And each
        # engine has another: every job has a certificate for the shared one.
        if engine not in self._client_roots:
            name, domain = f"{self._name}-clients-root", self._domain
            common_name = f"{domain} Docker clients"
            if engine != "shared":
                name, common_name = f"{self._name}-{engine}-clients-root", f"{engine}.{domain} Docker clients"
            key = self._key(name)
            self._client_roots[engine] = (self._root(name, common_name, key).cert_pem, key.private_key_pem)
        return self._client_roots[engine]

    def _root(self, name: str, common_name: str, key: tls.PrivateKey) -> tls.SelfSignedCert:
        return tls.SelfSignedCert(
            name,
            private_key_pem=key.private_key_pem,
            is_ca_certificate=True,
            set_subject_key_id=True,
            validity_period_hours=self._settings.root_days * HOURS_PER_DAY,
            allowed_uses=["cert_signing", "crl_signing"],
            subject=tls.SelfSignedCertSubjectArgs(common_name=common_name[:64], organization="auto-devops"),
            opts=pulumi.ResourceOptions(parent=self),
        )

    def _issue(
        self,
        name: str,
        common_name: str,
        uses: Sequence[str],
        dns_names: Sequence[str],
        ip_addresses: Sequence[str],
        issuer: tuple[pulumi.Output[str], pulumi.Output[str]],
        intermediates: str,
        parent: pulumi.Resource,
    ) -> Certificate:
        opts = pulumi.ResourceOptions(parent=parent)
        key = self._key(name, parent)
        request = tls.CertRequest(
            f"{name}-request",
            private_key_pem=key.private_key_pem,
            # A common name holds 64 characters (RFC 5280, ub-common-name); clients read the alternative names anyway.
            subject=tls.CertRequestSubjectArgs(common_name=common_name[:64], organization="auto-devops"),
            dns_names=list(dns_names) or None,
            ip_addresses=list(ip_addresses) or None,
            opts=opts,
        )
        certificate = tls.LocallySignedCert(
            f"{name}-certificate",
            cert_request_pem=request.cert_request_pem,
            ca_cert_pem=issuer[0],
            ca_private_key_pem=issuer[1],
            allowed_uses=list(uses),
            set_subject_key_id=True,
            validity_period_hours=self._settings.certificate_days * HOURS_PER_DAY,
            early_renewal_hours=self._settings.renew_before_days * HOURS_PER_DAY,
            opts=opts,
        )
        chain = certificate.cert_pem.apply(lambda pem: pem + intermediates)
        return Certificate(certificate.cert_pem, chain, key.private_key_pem)
