#!/bin/bash
# Auto Build, as far as the lab has it: a Dockerfile is built by the engine in DOCKER_HOST and pushed to the project's
# registry. What would need buildpacks or BuildKit is refused by name.
set -euo pipefail

fail() {
  printf 'auto-build-image (lab stand-in): %s\n' "$*" >&2
  exit 1
}

for name in BUILDPACK_URL AUTO_DEVOPS_BUILD_IMAGE_CNB_BUILDER AUTO_DEVOPS_BUILD_IMAGE_CNB_LIFECYCLE_IMAGE BUILDPACK_VOLUMES \
  AUTO_DEVOPS_BUILD_IMAGE_FORWARDED_CI_VARIABLES; do
  [[ -z ${!name:-} ]] || fail "$name is not supported: only plain builds of a Dockerfile are"
done
for name in CI_APPLICATION_REPOSITORY CI_APPLICATION_TAG; do
  [[ -n ${!name:-} ]] || fail "$name is not set: the job that runs this script sets it"
done

file=${DOCKERFILE_PATH:-Dockerfile}
[[ -f $file ]] || fail "no $file in the repository (DOCKERFILE_PATH says where it is): buildpacks are not supported"

if [[ -n ${CI_REGISTRY:-} && -n ${CI_REGISTRY_USER:-} ]]; then
  echo "Logging in to GitLab Container Registry with CI credentials..."
  docker login --username "$CI_REGISTRY_USER" --password-stdin "$CI_REGISTRY" <<<"${CI_REGISTRY_PASSWORD:-}"
fi
if [[ -n ${CI_DEPENDENCY_PROXY_SERVER:-} && -n ${CI_DEPENDENCY_PROXY_USER:-} && ${CI_DEPENDENCY_PROXY_LOGIN:-} == true ]]; then
  fail "the dependency proxy is not supported"
fi

image=$CI_APPLICATION_REPOSITORY:$CI_APPLICATION_TAG
latest=$CI_APPLICATION_REPOSITORY:latest

# GitLab documents it as words: quotes do not keep them together.
read -r -a extra <<<"${AUTO_DEVOPS_BUILD_IMAGE_EXTRA_ARGS:-}"
arguments=()
for name in HTTP_PROXY http_proxy HTTPS_PROXY https_proxy FTP_PROXY ftp_proxy NO_PROXY no_proxy; do
  [[ -z ${!name:-} ]] || arguments+=(--build-arg "$name")
done

echo "Building Dockerfile-based application..."
docker build --file "$file" --tag "$image" --tag "$latest" "${arguments[@]}" "${extra[@]}" \
  "${AUTO_DEVOPS_BUILD_IMAGE_CONTEXT:-.}"

echo "Pushing to GitLab Container Registry..."
docker push "$image"
docker push "$latest"
