#!/bin/sh
# heal-release.sh RELEASE: takes up what a deployment left that was killed in the middle (a cancelled job, a node that went
# down). Helm refuses every further one then: "another operation (install/upgrade/rollback) is in progress".
#
# Only for a job with a resource_group: no other deployment of the project is under way then, so what looks like it is dead.
set -eu

release=$1
export HELM_NAMESPACE="$KUBE_NAMESPACE"
# Where the cluster is reached by GitLab's agent.
if [ -n "${KUBE_CONTEXT:-}" ]; then export HELM_KUBECONTEXT="$KUBE_CONTEXT"; fi

# Nothing where there is no such release, or where its last deployment has ended, well or not.
if [ -z "$(helm list --pending --short --filter "^$release\$")" ]; then exit 0; fi

status=$(helm status "$release" | sed -n 's/^STATUS: *//p')
echo "An earlier deployment of $release was killed in the middle; Helm has it as $status."
case $status in
pending-install)
  # There never was another: what the first one has made so far goes, and the next begins anew.
  helm uninstall "$release" --wait --timeout 3m
  ;;
pending-upgrade | pending-rollback)
  # Back to what is known to work; the deployment that follows leads on from there. 0 is the one before.
  revision=$(helm history "$release" --max 256 | awk -F '\t' '$3 ~ /^deployed *$/ { last = $1 } END { print last + 0 }')
  helm rollback "$release" "$revision"
  ;;
*)
  echo "expected: pending-install, pending-upgrade or pending-rollback"
  echo "fix:      look at it with helm history $release, then helm rollback $release REVISION"
  exit 1
  ;;
esac
