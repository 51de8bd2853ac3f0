"""The platform's records in a zone at Alibaba Cloud."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pulumi
import pulumi_alicloud as alicloud

from components.dns.alicloud.answers import wait
from components.dns.alicloud.decision import Record, Wanted
from components.dns.alicloud.look import Seen
from settings.dns import AlicloudSettings

REGION = "cn-hangzhou"
"""The provider wants one; names have none."""
SAID = ("domainName", "rr", "type", "value", "line", "priority")
"""What of a record is settled once it is there."""
RETRY_SECONDS = 60
"""How long a call that is throttled is tried again; without it the provider gives up after four minutes."""


@dataclass(frozen=True)
class AlicloudDnsArgs:
    """`seen` says which records are the stack's to make; `names` are what is waited for: whole names to addresses."""

    settings: AlicloudSettings
    seen: Seen
    names: Mapping[str, str]


class AlicloudDNS(pulumi.ComponentResource):
    """Records in a zone at Alibaba Cloud, and the zone itself where the settings add it.

    Owns: the records that the stack makes, with its remark, and the marks that say which these are. Does not own:
    records of somebody's, whatever they say, and the zone, which stays when the stack goes.
    """

    answers: pulumi.Output[bool]
    """True once every record is there, and the zone's name servers answer with it."""
    ttl: int
    """Seconds that others may remember what was there before."""

    def __init__(self, name: str, args: AlicloudDnsArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("auto-devops:index:AlicloudDNS", name, None, opts)
        settings, seen = args.settings, args.seen
        secret = settings.secret_key.get_secret_value() if settings.secret_key else None
        provider = alicloud.Provider(
            f"{name}-account",
            region=REGION,
            # Without one it asks a host of another service at each start: half a minute where that is not reached.
            account_type="Domestic",
            access_key=pulumi.Output.secret(settings.access_key) if settings.access_key else None,
            secret_key=pulumi.Output.secret(secret) if secret else None,
            endpoints=[alicloud.ProviderEndpointArgs(alidns=settings.endpoint)],
            max_retry_timeout=RETRY_SECONDS,
            opts=pulumi.ResourceOptions(parent=self),
        )
        below = pulumi.ResourceOptions(parent=self, provider=provider)
        before: list[pulumi.Resource] = []
        servers: pulumi.Input[Sequence[str]] = seen.servers
        if seen.adds:
            zone = alicloud.dns.AlidnsDomain(
                f"{name}-zone",
                domain_name=seen.zone,
                remark=seen.remark,
                opts=pulumi.ResourceOptions.merge(
                    below,
                    pulumi.ResourceOptions(
                        # Whoever has put something there since would lose it; it is there when the stack comes again.
                        retain_on_delete=True,
                        import_=seen.zone if seen.servers else None,
                        # Tags and group are its owner's; without this a refresh takes them away. And its name: of a
                        # zone whose remark failed the provider forgets it, and would add the zone once more.
                        ignore_changes=["tags", "groupId", "resourceGroupId", "lang"]
                        + (["domainName"] if seen.servers else []),
                    ),
                ),
            )
            before.append(zone)
            servers = zone.dns_servers

        def record(wanted: Wanted, there: Record | None, after: list[pulumi.Resource]) -> alicloud.dns.AlidnsRecord:
            # Of one whose remark failed the provider forgets all the rest, and would replace it
            # (terraform-provider-alicloud v1.285.0, resource_alicloud_alidns_record.go: Partial).
            settled: list[str] = []
            if there and there.value == wanted.value:
                settled = [*SAID, *(["ttl"] if there.ttl == seen.ttl else [])]
            return alicloud.dns.AlidnsRecord(
                # A name of the user's may be `any`, too; none begins with this.
                f"{name}-{wanted.type}-{wanted.name}".replace("*", "_any").lower(),
                domain_name=seen.zone,
                rr=wanted.name,
                type=wanted.type,
                value=wanted.value,
                ttl=seen.ttl,
                remark=seen.remark,
                opts=pulumi.ResourceOptions.merge(
                    below,
                    pulumi.ResourceOptions(
                        depends_on=after,
                        # One that a run made which was killed before it could say so; what it says otherwise is then
                        # changed. Of one that is known, its id changes nothing (pulumi v3.259.0,
                        # pkg/resource/deploy/step_generator.go).
                        import_=there.id if there else None,
                        ignore_changes=["lang", "userClientIp", *settled],
                        # A second one like it is refused (DomainRecordDuplicate).
                        delete_before_replace=True,
                    ),
                ),
            )

        # One after the other, the marks first: two changes of one zone at once are refused (LastOperationNotFinished),
        # and the call that adds a remark is not tried again (terraform-provider-alicloud v1.285.0,
        # alicloud/resource_alicloud_alidns_record.go).
        made: list[alicloud.dns.AlidnsRecord] = []
        for wanted, there in [*seen.marks.items(), *seen.decision.managed.items()]:
            made.append(record(wanted, there, [*before, *made[-1:]]))

        async def answered(known: Sequence[str]) -> bool:
            if not pulumi.runtime.is_dry_run():
                await wait(known, args.names)
            return True

        ids = pulumi.Output.all(*(each.id for each in made))
        self.answers = pulumi.Output.all(servers, ids).apply(lambda both: both[0]).apply(answered)
        self.ttl = seen.ttl
        self.register_outputs({"answers": self.answers})
