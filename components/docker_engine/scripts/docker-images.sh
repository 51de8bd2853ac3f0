#!/usr/bin/env bash
# auto-devops-docker-images STEP: which images in the engine are the stack's, and the end of those that nobody uses. Made by
# auto-devops.
#
# An engine does not know who has pulled or built an image. Of the stack are
#   - what is named by the platform's registries, registry.DOMAIN and gitlab.DOMAIN;
#   - what has a name that the settings have, or had: the stack pulls these, and its builds begin with them;
#   - stages of builds, without a name: made from one of the platform's images, by their parents or the label of jobs' images.
# None of these is what was there before the stack, what a container has, or what an image of somebody else's is made from.
# Where nobody has written down what was there before (an older release began here), a name from the settings proves nothing.
#
#   ours       a line for each: platform|former|named|stage, the name or id, the image's id
#   outdated   takes away those that the settings named before, and do not any more
#   all        takes away all of them, and gives back names that they have taken; says what stays
set -euo pipefail

records=/var/lib/auto-devops/docker-images
if [ ! -e "$records/domain" ]; then exit 0; fi # the stack has not pulled anything yet
domain=$(cat "$records/domain")
failed=no

# inspected: all images as one list. Another one's builds may take one away meanwhile.
inspected() {
  local try
  for try in 1 2 3; do
    if docker image ls --all --quiet --no-trunc | sort -u | xargs -r docker image inspect | jq -s 'add // []'; then return 0; fi
    echo "try $try: an image went while they were looked at" >&2
  done
  return 1
}

lines() { if [ -e "$1" ]; then cat "$1"; fi; }

# sorted: kind, name, id, of those that may go; "left", name, why, of those that stay though they may look like the stack's.
sorted() {
  local images used known=false
  images=$(inspected)
  used=$(docker ps --all --quiet --no-trunc | xargs -r docker inspect --format '{{.Image}}')
  if [ -e "$records/before" ]; then known=true; fi
  # As files: an argument ends at 128 KiB, which is a thousand images.
  jq -r --arg domain "$domain" --argjson known "$known" --rawfile used <(printf %s "$used") \
    --rawfile before <(lines "$records/before") --rawfile names <(lines "$records/names") \
    --rawfile wanted <(lines "$records/wanted") '
    def words: split("\n") | map(select(. != ""));
    # As the engine shows them (distribution/reference, FamiliarString); what has a digest is known by that.
    def familiar: sub("^docker\\.io/(library/)?"; "") | sub(":[^/@]+@"; "@");
    def of_the_platform: (split("/")[0] | sub(":[0-9]+$"; "")) as $host
      | contains("/") and ($host == "registry." + $domain or $host == "gitlab." + $domain);
    ($used | words) as $used
    | ($before | words) as $before
    | ($before | map(split(" ")[0]) | unique) as $there
    | ($names | words | map(familiar)) as $names
    | ($wanted | words | map(familiar)) as $wanted
    | map(.RepoTags //= [] | .RepoDigests //= [] | .Layers = (.RootFS.Layers // [])) as $all
    | ($all | map({key: .Id, value: .}) | from_entries) as $by
    | ($all | map(.Parent // "") | map(select(. != "")) | unique) as $parents
    | def ancestors: [.Parent // "" | recurse(if . == "" then empty else $by[.].Parent // "" end) | select(. != "")];
      def was_there: .Id as $id | $there | index($id) != null;
      def has_container: .Id as $id | $used | index($id) != null;
      def child: .Id as $id | $parents | index($id) != null;
      # Its names that have come since. One that was there before keeps a name.
      def since: .Id as $id | .RepoTags as $tags | ($tags + (if $tags == [] then .RepoDigests else [] end))
        | map(select(("\($id) \(.)") as $line | $before | index($line) == null))
        | if ($there | index($id) != null) and $tags - . == [] then [] else . end;
      def platform: since | map(select(of_the_platform));
      def named: if $known then since | map(select(. as $name | $names | index($name) != null)) else [] end;
      def nameless: .RepoTags == [] and .RepoDigests == [];
      def stage: nameless and (was_there | not)
        and ((.Config.Labels // {} | has("auto-devops.ci-image")) or any(ancestors[]; $by[.] // empty | platform != []));
      # Of somebody: what may not lose what it is made from. What only leads to others (in the middle of a build) is as they are.
      def theirs: was_there or has_container or (.RepoTags - platform - named != []) or (nameless and (child | not) and (stage | not));
      [$all[] | select(theirs)] as $theirs
    | def needed: .Id as $id | .Layers as $layers | ($layers | length) as $deep
        | $deep > 0 and any($theirs[]; .Id != $id and .Layers[:$deep] == $layers);
      $all[]
    | .Id as $id
    | (platform[] | ["platform", .]), (named[] | . as $name | [if $wanted | index($name) != null then "named" else "former" end, .]),
      (if stage and (child | not) then ["stage", $id] else empty end),
      (if nameless and (child | not) and (stage | not) and (was_there | not) then ["untagged", $id] else empty end) | . as [$kind, $name]
    | $by[$id]
    | if $kind == "untagged" then ["left", $name, "untagged"]
      elif was_there then [$kind, $name, $id]
      elif has_container then ["left", $name, "a container has it"]
      elif ($kind == "named" or $kind == "former") and needed then ["left", $name, "an image of somebody else is made from it"]
      else [$kind, $name, $id] end
    | @tsv' <<<"$images"
}

# lost: id and name of what was there before and has the name no more.
lost() {
  inspected | jq -r --rawfile before <(lines "$records/before") '
    def set: map({key: ., value: true}) | from_entries;
    (map(.Id) | set) as $there | (map(.RepoTags[]?) | set) as $named
    | $before | split("\n")[] | split(" ") | select((.[1] // "-") != "-" and $there[.[0]] and ($named[.[1]] | not)) | join(" ")'
}

# take NAME: an image that a container has taken meanwhile is refused by the engine, and stays. Never by force.
take() {
  local said
  if said=$(docker image rm "$1" 2>&1); then return 0; fi
  case "$said" in
  *conflict*) echo "leaving the image $1: $said" >&2 ;;
  *"No such image"*) ;;
  *)
    echo "the image $1 cannot be removed: $said" >&2
    failed=yes
    ;;
  esac
}

found=$(sorted)
case "$1" in
ours) grep -v '^left' <<<"$found" || true ;;
outdated)
  while IFS=$'\t' read -r kind name _; do
    if [ "$kind" = former ]; then take "$name"; fi
  done <<<"$found"
  ;;
all)
  # Names first: stages may be what a named one is made from.
  for wanted in platform former named stage; do
    while IFS=$'\t' read -r kind name _; do
      if [ "$kind" = "$wanted" ]; then take "$name"; fi
    done <<<"$found"
  done
  # A name that a newer image has taken, by a build or a pull of the stack's.
  missing=$(lost)
  while read -r id name; do
    if [ -n "$id" ]; then docker image tag "$id" "$name"; fi
  done <<<"$missing"
  untagged=()
  while IFS=$'\t' read -r kind name why; do
    if [ "$kind" != left ]; then continue; fi
    if [ "$why" = untagged ]; then untagged+=("${name#sha256:}"); else echo "leaving the image $name: $why" >&2; fi
  done <<<"$found"
  if [ ${#untagged[@]} -gt 0 ]; then
    echo "leaving ${#untagged[@]} images without a name, which pipelines may have built, or somebody else: if nobody needs them," \
      "docker image rm$(printf ' %.12s' "${untagged[@]}")" >&2
  fi
  ;;
esac
[ "$failed" = no ]
