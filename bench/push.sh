#!/usr/bin/env bash
# What a person does on the workstation to get a new answer served: push.sh push ANSWER, or by-hand ANSWER. Both print
# when they began and when the answer was there, in seconds since 1970; `push.sh empty`, when a push began and when the
# last of a pipeline's jobs would have begun its work, if none had any. The hands of bench/push.py, which puts `settings`,
# `credentials`, `curl.conf`, `helm` and served.py beside this; `prepare` comes first, `back` and `clean` last.
set -euo pipefail
export LC_ALL=C.UTF-8

PATIENCE=600
CACHE=bench-push
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=/dev/null
source "$here/settings"

prepare() {
  # Its own login alone, whatever this user's git has otherwise.
  git clone --quiet --config credential.helper= --config "credential.helper=store --file $here/credentials" \
    "$CLONE_URL" "$here/clone"
  git -C "$here/clone" config user.name Bench
  git -C "$here/clone" config user.email bench@example.com
  git -C "$here/clone" rev-parse HEAD >"$here/before"
  # What the pipeline's jobs have. A login of the registry is this user's own (`docker login`), as is the kubeconfig.
  ask_gitlab 'variables?per_page=100' |
    jq -r '.[] | select(.variable_type == "env_var" and .key != "DOCKER_AUTH_CONFIG") | "\(.key)=\(.value | @sh)"' >"$here/variables"
}

push() {
  begin "$1"
  change "$1"
  git commit --quiet --all --message "Answer $1"
  git push --quiet
  wait "$served" || {
    echo "its pipeline: $(pipeline)" >&2
    exit 1
  }
  report
  # Not measured: the next to be measured shall have the machines to itself.
  pipeline_succeeds
}

by_hand() {
  set -a
  # shellcheck source=/dev/null
  source "$here/variables"
  set +a
  local image=$REGISTRY/$PROJECT:by-hand-$1
  begin "$1"
  change "$1"
  run_tests &
  local tests=$!
  docker build --build-arg GO_IMAGE="$IMAGE_GO" --build-arg RUNTIME_IMAGE="$IMAGE_RUNTIME" --build-arg GOPROXY --tag "$image" .
  docker push "$image"
  wait "$tests"
  "$here/helm" upgrade --install "${PROJECT#*/}" chart \
    --namespace "$KUBE_NAMESPACE" \
    --set-string image.repository="${image%:*}" \
    --set-string image.tag="${image##*:}" \
    --set-string image.pullSecret="${PULL_SECRET:-}" \
    --set-string ingress.host="${PROJECT/\//-}.$KUBE_INGRESS_BASE_DOMAIN" \
    --wait --timeout 5m
  wait "$served"
  report
}

empty() {
  cd "$here/clone"
  started=$EPOCHREALTIME
  cp "$here/empty.yml" .gitlab-ci.yml
  git commit --quiet --allow-empty --all --message "The jobs, empty"
  git push --quiet
  pipeline_succeeds
  # For the next commit.
  git checkout --quiet "$(<"$here/before")" -- .gitlab-ci.yml
  local job
  job=$(ask_gitlab "jobs?per_page=20" | jq -r --arg sha "$(git rev-parse HEAD)" '.[] | select(.commit.id == $sha and .name == "deploy").id')
  echo "$started $(ask_gitlab "jobs/$job/trace" | sed -nE 's/.*arrived at ([0-9.]+).*/\1/p')"
}

run_tests() {
  # The engine is another machine's, so the files go there by standard input. /cache is kept, as the runner keeps it.
  tar --create --exclude=./.git . |
    docker run --rm --interactive --volume "$CACHE:/cache" --workdir /src \
      --env CGO_ENABLED=0 --env GOCACHE=/cache/go-build --env GOMODCACHE=/cache/go-mod --env GOPROXY "$IMAGE_GO" \
      bash -ec 'tar --extract; go vet -tags nomsgpack ./...; go test -tags nomsgpack ./...'
}

back() {
  cd "$here/clone"
  git checkout --quiet --force "$(<"$here/before")" -- .
  # Also where the files are the same: what was deployed by hand has to go.
  git commit --quiet --allow-empty --message "As before the benchmark"
  git push --quiet
  local answer
  answer=$(sed -nE 's|.*"/ping", message\("([^"]*)"\).*|\1|p' router.go)
  python3 "$here/served.py" "$SERVICE_URL/ping" "$answer" "$PATIENCE"
  pipeline_succeeds
}

clean() {
  rm -rf "$here"
  docker volume rm --force "$CACHE"
  docker image ls --filter "reference=*/$PROJECT:by-hand-*" --format '{{.Repository}}:{{.Tag}}' | xargs --no-run-if-empty docker image rm
}

begin() {
  cd "$here/clone"
  started=$EPOCHREALTIME
  python3 "$here/served.py" "$SERVICE_URL/ping" "$1" "$PATIENCE" >"$here/ended" &
  served=$!
  # Where something fails, nobody waits for the answer any more.
  trap 'kill "$served" 2>/dev/null || true' EXIT
}

report() {
  trap - EXIT
  echo "$started $(<"$here/ended")"
}

change() {
  sed -i -E "s|(\"/ping\", message\()\"[^\"]*\"|\1\"$1\"|" router.go
  sed -i -E "\|\"/ping\"|s|(\"message\":\")[^\"]*|\1$1|" router_test.go
  local file
  for file in router.go router_test.go; do
    grep -q "\"$1\"" "$file" || {
      echo "$file has no answer of /ping that could be changed" >&2
      exit 1
    }
  done
}

ask_gitlab() {
  curl --silent --show-error --fail --config "$here/curl.conf" "$GITLAB_URL/api/v4/projects/${PROJECT/\//%2F}/$1"
}

pipeline() {
  ask_gitlab "pipelines?sha=$(git rev-parse HEAD)" | jq -r '.[0] | "\(.status) \(.web_url)"'
}

pipeline_succeeds() {
  local state limit=$((SECONDS + PATIENCE))
  until state=$(pipeline) && [[ $state == success* ]]; do
    if [[ $state =~ ^(failed|canceled|skipped) ]] || ((SECONDS > limit)); then
      echo "the pipeline should have succeeded; it is: $state" >&2
      exit 1
    fi
    sleep 0.5
  done
}

case ${1:-} in
  prepare | empty | back | clean) "$1" ;;
  push) push "$2" ;;
  by-hand) by_hand "$2" ;;
  *)
    echo "usage: push.sh prepare | push ANSWER | by-hand ANSWER | empty | back | clean" >&2
    exit 2
    ;;
esac
