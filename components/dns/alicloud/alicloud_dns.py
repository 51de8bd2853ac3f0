"""The platform's records in a zone at Alibaba Cloud."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pulumi
import pulumi_alicloud as alicloud

from components.dns.alicloud.answers import wait
from components.dns.alicloud.decision import Decision, Wanted
from settings.dns import AlicloudSettings

REGION = "cn-hangzhou"
"""The provider wants one; names have none."""
RETRY_SECONDS = 60
"""How long a call that is throttled is tried again; without it the provider gives up after four minutes."""


@dataclass(frozen=True)
class AlicloudDnsArgs:
    """`decision` says which records are the stack's to make; `marks` are the TXT records that say so in the zone."""

    zone: str
    settings: AlicloudSettings
    decision: Decision
    marks: Mapping[Wanted, str]
    """With the id of the one that is there; "" where none is."""
    remark: str
    ttl: int
    """Seconds."""
    servers: Sequence[str] = ()
    """The zone's name servers, which are waited for; empty where nobody knows them yet."""
    names: Mapping[str, str] = field(default_factory=dict)
    """What they have to answer: whole names to addresses."""


class AlicloudDNS(pulumi.ComponentResource):
    """Records in a zone at Alibaba Cloud, and the zone itself where the settings add it.

    Owns: the records that the stack makes, with its remark, and the marks that say which these are. Does not own:
    records of somebody's, whatever they say, and the zone, which stays when the stack goes.
    """

    made: pulumi.Output[bool]
    """True once every record is there, and the zone's name servers answer with it."""

    def __init__(self, name: str, args: AlicloudDnsArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("auto-devops:index:AlicloudDNS", name, None, opts)
        settings = args.settings
        secret = settings.secret_key.get_secret_value() if settings.secret_key else None
        provider = alicloud.Provider(
            f"{name}-account",
            region=REGION,
            # Without one it asks a host of another service at each start (`../shared/lab-facts.md` has the figures).
            account_type="Domestic",
            access_key=settings.access_key,
            secret_key=pulumi.Output.secret(secret) if secret else None,
            endpoints=[alicloud.ProviderEndpointArgs(alidns=settings.endpoint)],
            max_retry_timeout=RETRY_SECONDS,
            opts=pulumi.ResourceOptions(parent=self),
        )
        below = pulumi.ResourceOptions(parent=self, provider=provider)
        before: list[pulumi.Resource] = []
        if settings.add_zone:
            before.append(
                alicloud.dns.AlidnsDomain(
                    f"{name}-zone",
                    domain_name=args.zone,
                    # Whoever has put something there since would lose it.
                    opts=pulumi.ResourceOptions.merge(below, pulumi.ResourceOptions(retain_on_delete=True)),
                )
            )

        def record(wanted: Wanted, there: str, after: list[pulumi.Resource]) -> alicloud.dns.AlidnsRecord:
            return alicloud.dns.AlidnsRecord(
                f"{name}-{wanted.type}-{wanted.name}".replace("*", "any").replace("@", "zone").lower(),
                domain_name=args.zone,
                rr=wanted.name,
                type=wanted.type,
                value=wanted.value,
                ttl=args.ttl,
                remark=args.remark,
                opts=pulumi.ResourceOptions.merge(
                    below,
                    pulumi.ResourceOptions(
                        depends_on=after,
                        # One that a run made which was killed before it could say so. Of one that is known, its id
                        # changes nothing (pulumi v3.259.0, pkg/resource/deploy/step_generator.go).
                        import_=there or None,
                        ignore_changes=["lang", "userClientIp"],
                    ),
                ),
            )

        # One after the other, the marks first: two changes of one zone at once are refused (LastOperationNotFinished),
        # and the call that adds a remark is not tried again (terraform-provider-alicloud v1.285.0,
        # alicloud/resource_alicloud_alidns_record.go).
        made: list[alicloud.dns.AlidnsRecord] = []
        for wanted, there in [*args.marks.items(), *args.decision.managed.items()]:
            made.append(record(wanted, there, [*before, *made[-1:]]))

        async def answered(_: object) -> bool:
            if args.servers and not pulumi.runtime.is_dry_run():
                await wait(args.servers, args.names)
            return True

        self.made = pulumi.Output.all(*(each.id for each in made)).apply(answered)
        self.register_outputs({"made": self.made})
