# shellcheck shell=bash
# An image with the CA inside is in the registry: REFERENCE, for the role ROLE. With a login, USERNAME is its name.
set -euo pipefail

# A configuration of its own: the login is nobody else's on this machine.
mkdir -p "$TMPDIR/docker" "$TMPDIR/context"
with_login() { docker --config "$TMPDIR/docker" "$@"; }

log=$(mktemp)
logged() { "$@" >"$log" 2>&1; }
give_up() {
  tail -n 20 "$log" >&2
  fail "$1 (its last lines are above)" "$2" "$3; then pulumi up"
}

# Like every Go program, the engine looks only every five seconds whether /etc/resolv.conf has changed: a name server that
# came with this very run may still be unknown to it. What it answers otherwise does not matter here.
finds() { ! with_login pull --quiet "$REGISTRY/auto-devops/no-such-image" 2>&1 | grep 'no such host' >/dev/null; }
await 20 "the engine to find $REGISTRY" finds ||
  fail "an engine that cannot resolve $REGISTRY" "the platform's name server to be asked" "on $(hostname): getent hosts $REGISTRY; then pulumi up"

if [ -n "$USERNAME" ]; then
  logged with_login login --username "$USERNAME" --password-stdin "$REGISTRY" <"$FILES/password" ||
    give_up "docker login $REGISTRY" "the registry to take the login in registry.login" "on $(hostname): docker login $REGISTRY"
fi

if with_login manifest inspect "$REFERENCE" >/dev/null 2>&1; then
  say "$REFERENCE is in the registry already"
else
  cp "$FILES"/*.crt "$FILES/trust.sh" "$FILES/Dockerfile" "$TMPDIR/context/"
  # Readable for everyone: an image may say that it runs as someone else than root.
  chmod 755 "$TMPDIR/context"
  chmod 644 "$TMPDIR/context"/*
  base=$(sed -n 's/^FROM //p' "$FILES/Dockerfile")
  say "building $REFERENCE from $base"
  another="set ci.images.$ROLE to another image, or mirrors.images to who serves it; on $(hostname): docker pull $base"
  # What its tag means now, not what it meant when this machine last heard of it.
  if ! logged with_login pull "$base"; then
    docker image inspect "$base" >/dev/null 2>&1 ||
      give_up "docker pull $base" "a base image that can be pulled" "$another"
    say "docker pull $base failed ($(tail -n 1 "$log")): going on with this machine's copy of it"
  fi
  # The CA is installed as root. Jobs run as whom the base says, as without us.
  user=$(docker image inspect --format '{{.Config.User}}' "$base")
  logged with_login build --build-arg "BASE_USER=${user:-root}" --label "auto-devops.ci-image=$ROLE" \
    --tag "$REFERENCE" "$TMPDIR/context" ||
    give_up "docker build from $base" "a base image with /bin/sh" "$another"
  say "pushing $REFERENCE"
  logged with_login push "$REFERENCE" ||
    give_up "docker push $REFERENCE" "the registry to answer under its name on this machine" \
      "on $(hostname): curl https://$REGISTRY/v2/"
fi

# What was built here before is in the registry; this machine needs no copy of it. What somebody has built from it has its label,
# and another name. One that a container has stays.
docker image ls --filter "label=auto-devops.ci-image=$ROLE" --format '{{.Repository}}:{{.Tag}}' | sort -u | while read -r image; do
  if [[ $image == "$REGISTRY/auto-devops/"* && $image != "$REFERENCE" ]]; then docker image rm "$image" >/dev/null 2>&1 || true; fi
done
