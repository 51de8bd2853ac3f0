#!/bin/sh
# Renders /etc/nginx/templates/**/*.template into /etc/nginx/conf.d. Only variables that are set (and whose names
# match NGINX_ENVSUBST_FILTER, if given) are replaced: nginx's own, such as $host, stay as they are.
set -eu

templates=${NGINX_ENVSUBST_TEMPLATE_DIR:-/etc/nginx/templates}
suffix=${NGINX_ENVSUBST_TEMPLATE_SUFFIX:-.template}
output=${NGINX_ENVSUBST_OUTPUT_DIR:-/etc/nginx/conf.d}

[ -d "$templates" ] || exit 0

# The names as envsubst takes them: '${A}${B}'.
# shellcheck disable=SC2016
variables=$(env | sed -n 's/^\([A-Za-z_][A-Za-z0-9_]*\)=.*/\1/p' |
  { grep -E -- "${NGINX_ENVSUBST_FILTER:-}" || true; } | sed 's/.*/${&}/' | tr -d '\n')

find "$templates" -follow -type f -name "*$suffix" | sort | while IFS= read -r template; do
  relative=${template#"$templates"/}
  target=$output/${relative%"$suffix"}
  mkdir -p "$(dirname "$target")"
  envsubst "$variables" <"$template" >"$target"
  if [ -z "${NGINX_ENTRYPOINT_QUIET_LOGS:-}" ]; then
    printf '%s: rendered %s to %s\n' "${0##*/}" "$template" "$target"
  fi
done
