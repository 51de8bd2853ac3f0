#!/bin/bash
# auto-deploy COMMAND [ARGUMENT…]: the commands of GitLab's auto-deploy-image that its Auto DevOps template runs, by the
# real kubectl and Helm with a chart of the lab's own. Commands and variables that are not performed are refused by name.
set -euo pipefail

readonly chart_of_image=/assets/auto-deploy-app
# Helm takes the repository's own chart where there is one.
readonly chart=chart

fail() {
  printf 'auto-deploy (lab stand-in): %s\n' "$*" >&2
  exit 1
}

need() {
  local name
  for name in "$@"; do
    [[ -n ${!name:-} ]] || fail "$name is not set"
  done
}

# What changes a deployment in ways that this stand-in does not perform.
refuse_unsupported() {
  local name
  for name in AUTO_DEVOPS_CHART AUTO_DEVOPS_CHART_REPOSITORY AUTO_DEVOPS_CHART_REPOSITORY_NAME AUTO_DEVOPS_CHART_VERSION \
    AUTO_DEVOPS_CHART_REPOSITORY_USERNAME AUTO_DEVOPS_CHART_REPOSITORY_PASSWORD AUTO_DEVOPS_CHART_REPOSITORY_PASS_CREDENTIALS \
    AUTO_DEVOPS_CHART_CUSTOM_ONLY AUTO_DEVOPS_MODSECURITY_SEC_RULE_ENGINE AUTO_DEVOPS_COMMON_NAME \
    AUTO_DEVOPS_FORCE_DEPLOY_V2 AUTO_DEVOPS_ALLOW_TO_FORCE_DEPLOY_V1 DB_INITIALIZE DB_MIGRATE BACKUP_NAMESPACE; do
    [[ -z ${!name:-} ]] || fail "the variable $name is not supported"
  done
  case ${POSTGRES_ENABLED:-} in
    '' | false | 0 | no) ;;
    *) fail "POSTGRES_ENABLED=$POSTGRES_ENABLED: no database can be deployed; set it to false" ;;
  esac
}

track_of() {
  case ${1:-stable} in
    stable | canary | rollout) printf '%s' "${1:-stable}" ;;
    *) fail "unknown track '$1': expected stable, canary or rollout" ;;
  esac
}

release_of() {
  need CI_ENVIRONMENT_SLUG
  local name=${HELM_RELEASE_NAME:-$CI_ENVIRONMENT_SLUG} track
  track=$(track_of "${1:-stable}")
  [[ $track == stable ]] || name+=-$track
  printf '%s' "$name"
}

# How many pods: PRODUCTION_REPLICAS, CANARY_PRODUCTION_REPLICAS, REPLICAS and so on, as a share of all.
replicas_of() {
  local track=$1 percentage=$2 slug=${CI_ENVIRONMENT_SLUG^^} name count
  slug=${slug//-/_}
  name=${slug}_REPLICAS
  [[ $track == stable ]] || name=${track^^}_$name
  count=${!name:-}
  [[ -n $count ]] || count=${REPLICAS:-1}
  [[ $count =~ ^[0-9]+$ && $percentage =~ ^[0-9]+$ ]] || fail "$name or REPLICAS is '$count' (of $percentage %): expected a number"
  count=$((count * percentage / 100))
  # A share of something is never nothing.
  if ((count == 0 && percentage > 0)) && [[ ${REPLICAS:-1} != 0 ]]; then count=1; fi
  printf '%s' "$count"
}

check_kube_domain() {
  need KUBE_INGRESS_BASE_DOMAIN
}

use_kube_context() {
  if [[ -n ${KUBE_CONTEXT:-} ]]; then
    kubectl config use-context "$KUBE_CONTEXT"
  else
    kubectl config current-context >/dev/null || fail "no kubeconfig: set KUBECONFIG or KUBE_CONTEXT"
  fi
}

download_chart() {
  refuse_unsupported
  if [[ -d $chart ]]; then
    echo "Using the chart of the repository, $chart"
  else
    cp -R "$chart_of_image" "$chart"
    echo "Using the image's chart"
  fi
}

ensure_namespace() {
  need KUBE_NAMESPACE
  kubectl get namespace "$KUBE_NAMESPACE" || kubectl create namespace "$KUBE_NAMESPACE"
}

initialize_tiller() {
  # Helm has had no Tiller for years; upstream keeps the command for old pipelines, too.
  echo "Helm needs no Tiller."
}

# A secret of type TYPE from files NAME=PATH: made, or brought up to date.
apply_secret() {
  local name=$1 type=$2
  shift 2
  kubectl create secret generic "$name" --namespace "$KUBE_NAMESPACE" --type "$type" "${@/#/--from-file=}" \
    --dry-run=client --output json | kubectl apply --namespace "$KUBE_NAMESPACE" --filename -
}

pull_secret() {
  printf 'gitlab-registry-%s' "$CI_PROJECT_PATH_SLUG"
}

create_secret() {
  need KUBE_NAMESPACE CI_PROJECT_PATH_SLUG
  if [[ ${CI_PROJECT_VISIBILITY:-} == public ]]; then
    echo "The project is public: its images are pulled without a login."
    return
  fi
  need CI_REGISTRY
  local user=${CI_DEPLOY_USER:-${CI_REGISTRY_USER:-}} password=${CI_DEPLOY_PASSWORD:-${CI_REGISTRY_PASSWORD:-}}
  [[ -n $user && -n $password ]] || fail "neither CI_DEPLOY_USER and CI_DEPLOY_PASSWORD nor CI_REGISTRY_USER and _PASSWORD are set"
  local folder
  folder=$(mktemp -d)
  USER_NAME=$user PASSWORD=$password REGISTRY=$CI_REGISTRY jq --null-input \
    '{auths: {(env.REGISTRY): {username: env.USER_NAME, password: env.PASSWORD, auth: ("\(env.USER_NAME):\(env.PASSWORD)" | @base64)}}}' \
    >"$folder/config.json"
  apply_secret "$(pull_secret)" kubernetes.io/dockerconfigjson ".dockerconfigjson=$folder/config.json"
  rm -r "$folder"
}

# The application's own secrets: every K8S_SECRET_NAME is NAME in the container's environment.
create_application_secret() {
  need KUBE_NAMESPACE
  local name folder
  name=$(release_of "${1:-stable}")-secret
  folder=$(mktemp -d)
  local variable files=()
  for variable in $(compgen -e K8S_SECRET_ || true); do
    printf '%s' "${!variable}" >"$folder/${variable#K8S_SECRET_}"
    files+=("$folder/${variable#K8S_SECRET_}")
  done
  apply_secret "$name" Opaque "${files[@]}"
  rm -r "$folder"
}

application_secret_checksum() {
  local variable
  for variable in $(compgen -e K8S_SECRET_ | sort); do
    printf '%s=%s\0' "$variable" "${!variable}"
  done | sha256sum | cut -d ' ' -f 1
}

deploy() {
  local track percentage=${2:-100}
  track=$(track_of "${1:-stable}")
  refuse_unsupported
  need KUBE_NAMESPACE CI_ENVIRONMENT_SLUG CI_ENVIRONMENT_NAME CI_ENVIRONMENT_URL CI_PROJECT_PATH_SLUG CI_PROJECT_ID
  [[ -d $chart ]] || fail "there is no chart: run auto-deploy download_chart first"
  [[ $track == stable ]] || fail "deploy $track: only stable is supported"

  local repository tag
  if [[ -n ${CI_COMMIT_TAG:-} ]]; then
    repository=${CI_APPLICATION_REPOSITORY:-${CI_REGISTRY_IMAGE:-}} tag=${CI_APPLICATION_TAG:-$CI_COMMIT_TAG}
  else
    repository=${CI_APPLICATION_REPOSITORY:-${CI_REGISTRY_IMAGE:-}/${CI_COMMIT_REF_SLUG:-}}
    tag=${CI_APPLICATION_TAG:-${CI_COMMIT_SHA:-}}
  fi
  [[ -n $tag && $repository != /* ]] || fail "neither CI_APPLICATION_REPOSITORY and _TAG nor CI_REGISTRY_IMAGE and CI_COMMIT_SHA are set"

  local release=()
  release=("$(release_of "$track")")
  create_application_secret "$track"

  local hosts_name=${CI_ENVIRONMENT_SLUG^^} hosts
  hosts_name=${hosts_name//-/_}_ADDITIONAL_HOSTS
  hosts=${!hosts_name:-${ADDITIONAL_HOSTS:-}}

  local secret=
  [[ ${CI_PROJECT_VISIBILITY:-} == public ]] || secret=$(pull_secret)
  local options=(
    --set-string "gitlab.app=$CI_PROJECT_PATH_SLUG"
    --set-string "gitlab.env=$CI_ENVIRONMENT_SLUG"
    --set-string "gitlab.envName=$CI_ENVIRONMENT_NAME"
    --set-string "gitlab.envURL=$CI_ENVIRONMENT_URL"
    --set-string "gitlab.projectID=$CI_PROJECT_ID"
    --set-string "releaseOverride=${HELM_RELEASE_NAME:-$CI_ENVIRONMENT_SLUG}"
    --set-string "image.repository=$repository"
    --set-string "image.tag=$tag"
    --set-string "image.secrets[0].name=$secret"
    --set "image.pullPolicy=IfNotPresent"
    --set-string "application.track=$track"
    --set-string "application.secretName=${release[0]}-secret"
    --set-string "application.secretChecksum=$(application_secret_checksum)"
    --set-string "service.commonName=le-$CI_PROJECT_ID.${KUBE_INGRESS_BASE_DOMAIN:-}"
    --set-string "service.url=$CI_ENVIRONMENT_URL"
    --set "replicaCount=$(replicas_of "$track" "$percentage")"
  )
  if [[ -n $hosts ]]; then
    options+=(--set "service.additionalHosts={$hosts}")
  fi

  local values=${HELM_UPGRADE_VALUES_FILE:-.gitlab/auto-deploy-values.yaml}
  if [[ -f $values ]]; then
    echo "Using helm values file '$values'"
    options+=(--values "$values")
  elif [[ -n ${HELM_UPGRADE_VALUES_FILE:-} ]]; then
    fail "HELM_UPGRADE_VALUES_FILE is '$values', which is not in the repository"
  fi
  if [[ ${AUTO_DEVOPS_ATOMIC_RELEASE:-true} != false ]]; then
    options+=(--rollback-on-failure)
  fi
  if [[ -n ${AUTO_DEVOPS_DEPLOY_DEBUG:-} ]]; then
    options+=(--debug)
  fi
  # GitLab documents it as words: quotes do not keep them together.
  local extra
  read -r -a extra <<<"${HELM_UPGRADE_EXTRA_ARGS:-}"

  echo "Deploying new $track release '${release[0]}'..."
  helm upgrade --install --wait --reset-values --namespace "$KUBE_NAMESPACE" "${options[@]}" "${extra[@]}" "${release[0]}" "$chart"
}

scale() {
  local track count
  track=$(track_of "${1:-stable}")
  count=$(replicas_of "$track" "${2:-100}")
  need KUBE_NAMESPACE
  helm upgrade --reuse-values --wait --set "replicaCount=$count" --namespace "$KUBE_NAMESPACE" "$(release_of "$track")" "$chart"
}

delete() {
  need KUBE_NAMESPACE
  local release
  release=$(release_of "${1:-stable}")
  # One that is not there is as good as deleted: the template always deletes the canary.
  helm uninstall --ignore-not-found --wait --namespace "$KUBE_NAMESPACE" "$release"
  kubectl delete secret --ignore-not-found --namespace "$KUBE_NAMESPACE" "$release-secret"
}

persist_environment_url() {
  need CI_ENVIRONMENT_URL
  echo "$CI_ENVIRONMENT_URL" >environment_url.txt
}

case ${1:-} in
  check_kube_domain | use_kube_context | download_chart | ensure_namespace | initialize_tiller | create_secret | deploy | scale | delete | persist_environment_url) "$@" ;;
  create_application_secret) create_application_secret "${2:-stable}" ;;
  '') fail "no command given" ;;
  *) fail "the command $1 is not supported" ;;
esac
