# shellcheck shell=bash
# GitLab's certificate and what it trusts, where it looks for them. Before the first start they only have to be there;
# later GitLab has to be told.
set -euo pipefail
# shellcheck source=components/gitlab_server/scripts/gitlab.sh
. "$FILES/gitlab.sh"

# Outlives a run that is interrupted between placing the files and telling GitLab.
unread="$OWN/unread"

# put FILE TARGET MODE WHAT: places a file, having noted what GitLab has to do about it.
put() {
  if ! cmp -s "$1" "$2"; then printf '%s\n' "$4" >>"$unread"; fi
  place "$1" "$2" "$3"
}
mkdir -p "$DATA/config/ssl" "$DATA/config/trusted-certs"
chmod 700 "$DATA/config/ssl"
# Not by their names, in which the domain may be anything.
keep "$DATA/config/ssl/$NAME.crt"
keep "$DATA/config/ssl/$NAME.key"
put "$FILES/certificate.pem" "$DATA/config/ssl/$NAME.crt" 644 nginx
put "$FILES/key.pem" "$DATA/config/ssl/$NAME.key" 600 nginx
put "$FILES/ca.pem" "$CA_FILE" 644 trust

if [ -e "$unread" ]; then
  # A container that does not run, or is not there yet, reads them at its start.
  if running; then
    if grep -qx trust "$unread"; then
      say "GitLab takes up what it trusts"
      docker exec gitlab gitlab-ctl reconfigure >&2
    fi
    say "GitLab takes up its certificate"
    # nginx, which has it for the registry as well, reads it again without dropping a request.
    docker exec gitlab gitlab-ctl hup nginx >&2
  fi
  rm -f "$unread"
fi
